/**
 * Files and batches of all gateways of the network. A file stays with the gateway that took it, and its batches with it:
 * their ids name it, and whichever gateway is asked passes the question on over the bus. Gateways make themselves known
 * now and then.
 */
import { z } from 'zod'
import type { Bus, Clock, Log, Subscription } from '#host/host.ts'
import { MINUTE_MS } from '#kernel/time.ts'
import { Problem, type ProblemCode, problemKinds } from '#protocol/problem.ts'
import { type BatchHome, type CallOf, type HomeAnswers, HomeCall } from './batch-home.ts'

export interface BatchPeers {
  /** The home called `tag`; `null` for one that was never heard of. */
  home(tag: string): BatchHome | null
  /** Every home that was heard lately, this one first. */
  homes(): readonly BatchHome[]
  close(): void
}

const HELLO_EVERY_MS = 15_000
/** A gateway that was silent for longer is gone, and lists go without it. */
const KNOWN_MS = 2 * MINUTE_MS
/** One that was silent for longer than this is not even waited for. */
const FORGOTTEN_MS = 24 * 60 * MINUTE_MS
const TIMEOUT_MS = 5_000
const HELLO = 'batches.hello'
const WHO = 'batches.who'
const subjectOf = (tag: string): string => `batches.home.${tag}`

const Reply = z.union([
  z.object({ ok: z.unknown() }),
  z.object({
    problem: z.object({
      code: z.string(),
      message: z.string(),
      details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
    }),
  }),
])

export function openBatchPeers(
  { bus, clock, log }: { bus: Bus; clock: Clock; log: Log },
  own: { tag: string; home: BatchHome },
): BatchPeers {
  const heardMs = new Map<string, number>()
  const remotes = new Map<string, BatchHome>()
  let isClosed = false
  const hello = (): void => bus.publish(HELLO, own.tag)

  function heard(tag: string): void {
    if (tag === own.tag || !/^[0-9a-z]{8}$/.test(tag)) return
    heardMs.set(tag, clock.elapsedMs())
    if (!remotes.has(tag)) remotes.set(tag, remoteHome(bus, tag))
  }
  function tick(): void {
    if (isClosed) return
    hello()
    for (const [tag, atMs] of heardMs) {
      if (clock.elapsedMs() - atMs < FORGOTTEN_MS) continue
      heardMs.delete(tag)
      remotes.delete(tag)
    }
    clock.after(HELLO_EVERY_MS, tick)
  }

  const subscriptions: Subscription[] = [
    bus.subscribe(HELLO, heard),
    bus.subscribe(WHO, hello),
    bus.serve(subjectOf(own.tag), (message, reply) => {
      answer(own.home, message).then(reply, (error: unknown) => {
        log.error('batches.call_failed', {
          message: error instanceof Error ? (error.stack ?? '') : String(error),
        })
      })
    }),
  ]
  bus.publish(WHO, '')
  tick()

  return {
    home: (tag) => (tag === own.tag ? own.home : (remotes.get(tag) ?? null)),
    homes() {
      const nowMs = clock.elapsedMs()
      const live = [...remotes].filter(([tag]) => nowMs - (heardMs.get(tag) ?? 0) < KNOWN_MS)
      return [own.home, ...live.map(([, home]) => home)]
    },
    close() {
      isClosed = true
      for (const subscription of subscriptions) subscription.close()
    },
  }
}

async function answer(home: BatchHome, message: string): Promise<string> {
  const call = HomeCall.parse(JSON.parse(message))
  const result = await home.ask(call)
  if (!(result instanceof Problem)) return JSON.stringify({ ok: result })
  const { code, message: text, details } = result
  return JSON.stringify({ problem: { code, message: text, details } })
}

const remoteHome = (bus: Bus, tag: string): BatchHome => ({
  ask: <Op extends HomeCall['op']>(call: CallOf<Op>) =>
    new Promise<HomeAnswers[Op] | Problem>((resolve) => {
      const message = JSON.stringify(call)
      bus.request({ subject: subjectOf(tag), message, timeoutMs: TIMEOUT_MS }, (problem, text) => {
        if (problem) return resolve(away(problem))
        const reply = Reply.parse(JSON.parse(text))
        if ('problem' in reply) return resolve(toProblem(reply.problem))
        // A gateway of this network made it, in the form that `HomeAnswers` says.
        resolve(reply.ok as HomeAnswers[Op])
      })
    }),
})

function toProblem({
  code,
  message,
  details,
}: Extract<z.output<typeof Reply>, { problem: unknown }>['problem']): Problem {
  const known = Object.hasOwn(problemKinds, code) ? (code as ProblemCode) : 'unavailable'
  return new Problem(known, message, { details })
}

const away = (cause: Problem): Problem =>
  new Problem('unavailable', 'The gateway that keeps this file or batch does not answer. Try again later.', {
    cause,
  })
