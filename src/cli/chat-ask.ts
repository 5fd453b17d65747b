/** Asks one question and shows the answer. */
import { formatDuration } from '#kernel/time.ts'
import {
  type ChatAnswer,
  type ChatDeps,
  type ChatMessage,
  type ChatQuestion,
  streamChat,
} from './chat-stream.ts'
import { formatMoney, formatNoun, formatSpeed } from './format.ts'
import type { Session } from './session.ts'
import { styleFor } from './style.ts'
import { printable } from './table.ts'

export const withMessage = (question: ChatQuestion, message: ChatMessage): ChatQuestion => ({
  ...question,
  messages: [...question.messages, message],
})

export interface AskDeps {
  readonly session: Session
  readonly deps: ChatDeps
  readonly signal: AbortSignal
}

/** Asks, prints the answer as it comes (unless as JSON), and then a line on what it took. */
export async function ask({ session, deps, signal }: AskDeps, question: ChatQuestion): Promise<ChatAnswer> {
  const { stdout, stderr, env } = session.context
  let isAtLineStart = true
  const onText = (text: string): void => {
    if (session.isJson) return
    stdout.write(stdout.isTty ? showable(text) : text)
    isAtLineStart = text.endsWith('\n')
  }
  try {
    const answer = await streamChat(deps, question, { onText, signal })
    if (session.isJson) return answer
    if (!isAtLineStart) stdout.write('\n')
    stderr.write(`${styleFor(stderr, env)('dim', factsOf(answer))}\n`)
    return answer
  } catch (error) {
    if (!isAtLineStart) stdout.write('\n')
    throw error
  }
}

/** A model's text, without what could steer the terminal: a node may send anything. */
const showable = (text: string): string => text.replace(/[^\n\t]+/g, printable)

function factsOf(answer: ChatAnswer): string {
  const { node, completionTokens, cost, firstTokenMs, finishReason } = answer
  const perSecond = speedOf(answer)
  return [
    ...(node === null ? [] : [`node ${printable(node)}`]),
    ...(completionTokens === null ? [] : [formatNoun(completionTokens, 'token')]),
    ...(perSecond === null ? [] : [`${formatSpeed(perSecond)} tokens/s`]),
    ...(firstTokenMs === null ? [] : [`first after ${formatDuration(firstTokenMs)}`]),
    ...(cost === null ? [] : [formatMoney(cost)]),
    ...(finishReason === 'length' ? ['cut at the length limit'] : []),
  ].join(' · ')
}

/** Tokens a second between the first and the last; `null` where there are too few to tell. */
export function speedOf({ completionTokens, firstTokenMs, totalMs }: ChatAnswer): number | null {
  if (completionTokens === null || completionTokens < 2 || firstTokenMs === null) return null
  const durationMs = totalMs - firstTokenMs
  return durationMs <= 0 ? null : ((completionTokens - 1) * 1_000) / durationMs
}
