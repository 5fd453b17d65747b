/** Asks one node how likely it finds an answer. What it says is hostile input like any other. */
import type { Clock } from '#host/host.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { NodeConnection } from '../node-connection.ts'

export interface Scores {
  readonly logprobs: readonly number[]
  readonly tails: readonly number[]
  /** What the node read for it, as it says. */
  readonly readTokens: number
}

/** However busy it is. */
const SCORE_MS_MAX = 60_000
const CREDIT_BYTES = 4 * 1024 * 1024

/** `done` runs once, with `null` when nothing usable came in time. `tokensMax`: more than that no honest node finds. */
export function scoreAnswer(
  clock: Clock,
  { node, request, tokensMax }: { node: NodeConnection; request: EngineRequest; tokensMax: number },
  done: (scores: Scores | null) => void,
): { cancel(): void } {
  const logprobs: number[] = []
  const tails: number[] = []
  let isOver = false
  const finish = (scores: Scores | null): void => {
    if (isOver) return
    isOver = true
    deadline.cancel()
    done(scores)
  }
  const giveUp = (): void => {
    stream.cancel()
    finish(null)
  }
  const deadline = clock.after(SCORE_MS_MAX, giveUp)
  const stream = node.open(request, {
    onStarted: () => undefined,
    onData({ detail }) {
      if (isOver || !detail?.scores) return
      logprobs.push(...detail.scores.logprobs)
      tails.push(...detail.scores.tails)
      if (logprobs.length > tokensMax || tails.length !== logprobs.length) giveUp()
    },
    onEmbedding: () => giveUp(),
    onEnd: ({ promptTokens }) =>
      finish(logprobs.length === 0 ? null : { logprobs, tails, readTokens: promptTokens + logprobs.length }),
    onProblem: () => finish(null),
  })
  stream.credit(CREDIT_BYTES)
  return {
    cancel() {
      isOver = true
      deadline.cancel()
      stream.cancel()
    },
  }
}
