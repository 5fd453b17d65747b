/** Asks one node what it says of another's answer. What it says is hostile input like any other. */
import type { Clock } from '#host/host.ts'
import type { NodeConnection } from '../node-connection.ts'
import type { Question, Said, Vectors } from './audited.ts'

/** However busy it is. */
const SAY_MS_MAX = 60_000
const CREDIT_BYTES = 4 * 1024 * 1024

/** `done` runs once, with `null` when nothing usable came in time. */
export function askAuditor(
  clock: Clock,
  { node, question }: { node: NodeConnection; question: Question },
  done: (said: Said | null) => void,
): { cancel(): void } {
  const { request, tokensMax, promptTokensMax } = question
  const texts = request.kind === 'embedding' ? request.inputs.length : 0
  const logprobs: number[] = []
  const tails: number[] = []
  let vectors: Vectors = []
  let isOver = false
  const finish = (said: Said | null): void => {
    if (isOver) return
    isOver = true
    deadline.cancel()
    done(said)
  }
  const giveUp = (): void => {
    stream.cancel()
    finish(null)
  }
  const deadline = clock.after(SAY_MS_MAX, giveUp)
  const stream = node.open(request, {
    onStarted: () => undefined,
    onData({ detail }) {
      if (isOver || !detail?.scores) return
      logprobs.push(...detail.scores.logprobs)
      tails.push(...detail.scores.tails)
      if (logprobs.length > tokensMax || tails.length !== logprobs.length) giveUp()
    },
    onEmbedding(all) {
      if (all.length === texts) vectors = all
      else giveUp()
    },
    onEnd({ promptTokens }) {
      const isMute = texts > 0 ? vectors.length === 0 : logprobs.length === 0
      // The number alone is its word, and it is paid by it.
      const readTokens = Math.min(promptTokens, promptTokensMax) + logprobs.length
      finish(isMute ? null : { logprobs, tails, vectors, readTokens })
    },
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
