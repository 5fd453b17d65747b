/**
 * Counts tokens with a model's own vocabulary, in a child process that holds nothing else: off whatever thread asks.
 * The child is started when it is first wanted; when it dies, what waits for it is not counted and another is started
 * a while later.
 */
import type { Clock, Log } from '#host/host.ts'
import type { TokenCount, TokenCounter } from '#host/token-counter.ts'
import { type Child, type Children, describeExit } from '../child.ts'
import type { FromCounter, ToCounter } from './counter-messages.ts'

/** `.ts` in the sources, `.js` in the published package. */
const CHILD_MODULE = new URL(import.meta.url.replace(/token-counter(\.\w+)$/, 'counter-main$1'))
/** An answer's end waits for its count, so not for long; a child that is only just starting has a little more. */
const WAIT_MS = 500
const WAIT_MS_STARTING = 4_000
/** More wait for a count only when something is wrong. */
const WAITING_MAX = 64
const RESTART_MS = 10_000

export function createTokenCounter(
  modelPath: string,
  { children, clock, log }: { children: Children; clock: Clock; log: Log },
): TokenCounter {
  const waiting = new Map<number, (count: TokenCount | null) => void>()
  let child: Child | null = null
  let isReady = false
  let isClosed = false
  let notBeforeMs = 0
  let lastId = 0

  function warm(): void {
    if (child || isClosed || clock.elapsedMs() < notBeforeMs) return
    const program = { module: CHILD_MODULE, args: [] }
    child = children.spawnChild(program, {
      // The child is `counter-main.ts` of this same build.
      onMessage: (message) => onMessage(message as FromCounter),
      onExit(exit) {
        if (!isClosed) log.warn('counter.exited', { modelPath, reason: describeExit(exit) })
        gone()
      },
    })
    send({ type: 'load', modelPath })
  }

  function send(message: ToCounter): void {
    child?.send(message)
  }

  function onMessage(message: FromCounter): void {
    if (message.type === 'counted') settle(message.id, message.count)
    else if (message.type === 'ready') isReady = true
    else log.warn('counter.failed', { modelPath, message: message.message })
  }

  function gone(): void {
    child = null
    isReady = false
    notBeforeMs = clock.elapsedMs() + RESTART_MS
    for (const id of [...waiting.keys()]) settle(id, null)
  }

  function settle(id: number, count: TokenCount | null): void {
    const done = waiting.get(id)
    waiting.delete(id)
    done?.(count)
  }

  return {
    warm,
    count(ask, done) {
      warm()
      const id = ++lastId
      const canCount = child !== null && waiting.size < WAITING_MAX
      waiting.set(id, done)
      if (canCount) send({ type: 'count', id, ask })
      clock.after(canCount ? (isReady ? WAIT_MS : WAIT_MS_STARTING) : 0, () => settle(id, null))
    },
    close() {
      isClosed = true
      child?.kill()
    },
  }
}
