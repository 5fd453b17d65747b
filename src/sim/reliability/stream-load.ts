/** Callers who send streamed requests at a rate of their own, whatever comes back, and never try again. */
import { exponential } from '#economics/draws.ts'
import { createNormals } from '#economics/normal.ts'
import { assert } from '#kernel/assert.ts'
import { forkRandom, type Random } from '#kernel/random.ts'
import { MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { type ClientResult, sendCall } from '../sim-client.ts'
import { apiKeyOf } from '../sim-load.ts'
import { type GatewaySlot, MODELS } from '../sim-world.ts'
import type { Rig } from './rig.ts'

export interface StreamLoad {
  /** Requests a second at `atMs` since the load began. */
  readonly rateAt: (atMs: number) => number
  /** The load ends after so many requests, or so much time. */
  readonly requestsMax?: number
  readonly durationMs?: number
  /** Of an answer, in tokens: median and spread of a log-normal. */
  readonly answer: { readonly median: number; readonly sigma: number; readonly max: number }
  readonly prompt: { readonly median: number; readonly sigma: number; readonly max: number }
  readonly isStream?: boolean
}

/** What a caller saw of one request. */
export interface StreamCall extends ClientResult {
  /** Since the load began. */
  readonly sentMs: number
  /** Of the answer that was asked for. */
  readonly wantedTokens: number
}

export interface RunningLoad {
  readonly calls: readonly StreamCall[]
  readonly beganMs: number
  /** All were sent; some may be under way. */
  isOver(): boolean
  stop(): void
}

const CHARACTERS_PER_TOKEN = 4
/** How often callers look at what they send now. */
const STEP_MS = SECOND_MS

export function startStreams(rig: Rig, load: StreamLoad, random: Random): RunningLoad {
  const { world } = rig
  const { scheduler, network, gateways, plan } = world
  const normal = createNormals(forkRandom(random))
  const [callerRandom, arrivals] = [forkRandom(random), forkRandom(random)]
  const beganMs = scheduler.nowMs()
  const calls: StreamCall[] = []
  let sent = 0
  let isOver = false

  const drawTokens = ({ median, sigma, max }: StreamLoad['answer']): number =>
    Math.max(1, Math.min(max, Math.round(median * Math.exp(sigma * normal()))))

  function call(): void {
    if (isOver) return
    if (++sent === load.requestsMax) isOver = true
    const gateway = gateways[random.int(gateways.length)] as GatewaySlot
    const [wantedTokens, promptTokens] = [drawTokens(load.answer), drawTokens(load.prompt)]
    const prompt = `write ${wantedTokens} on ${sent} `.padEnd(promptTokens * CHARACTERS_PER_TOKEN, '.')
    const apiKey = apiKeyOf(random.int(plan.clients))
    const sentMs = scheduler.nowMs() - beganMs
    const done = (result: ClientResult): void => {
      rig.open--
      rig.results.push(result)
      calls.push({ ...result, sentMs, wantedTokens })
    }
    rig.open++
    const server = network.serverProcess(gateway.address)
    if (!server?.isAlive) return done(NOBODY_THERE)
    const deliver = (exchange: Parameters<typeof network.exchange>[1]): boolean =>
      network.exchange(gateway.address, exchange)
    const asked = { apiKey, model: MODELS[0], prompt, maxTokens: load.answer.max }
    sendCall(
      { scheduler, random: callerRandom, server, deliver },
      { ...asked, isStream: load.isStream ?? true, leaveAfterMs: null, drainMs: null },
      done,
    )
  }

  function step(): void {
    const atMs = scheduler.nowMs() - beganMs
    if (atMs >= (load.durationMs ?? Number.POSITIVE_INFINITY)) isOver = true
    if (isOver) return
    const perMs = load.rateAt(atMs) / SECOND_MS
    if (perMs > 0) {
      const next = exponential(1 / perMs)
      for (let inMs = next(arrivals); inMs < STEP_MS; inMs += next(arrivals)) scheduler.after(inMs, call)
    }
    scheduler.after(STEP_MS, step)
  }
  step()
  return {
    calls,
    beganMs,
    isOver: () => isOver,
    stop() {
      isOver = true
    },
  }
}

/** Until all were sent and answered; rejects when one is open for ten minutes more. */
export async function finishStreams(rig: Rig, load: RunningLoad): Promise<void> {
  const { scheduler } = rig.world
  while (!load.isOver()) await rig.runUntil(scheduler.nowMs() + MINUTE_MS / 6)
  const limitMs = scheduler.nowMs() + ENDS_WITHIN_MS
  while (rig.open > 0) {
    assert(scheduler.nowMs() < limitMs, `${rig.open} requests never end`)
    await rig.runUntil(scheduler.nowMs() + MINUTE_MS / 6)
  }
}
const ENDS_WITHIN_MS = 10 * MINUTE_MS

const NOBODY_THERE: ClientResult = {
  requestId: null,
  kind: 'cut',
  status: 0,
  completionTokens: 0,
  promptTokens: 0,
  firstTokenMs: null,
  pauseMsMax: 0,
  totalMs: 0,
}

export const hasSucceeded = ({ kind }: StreamCall): boolean => kind === 'completed'

export const firstTokensOf = (calls: readonly StreamCall[]): number[] =>
  calls.flatMap(({ firstTokenMs }) => firstTokenMs ?? [])
