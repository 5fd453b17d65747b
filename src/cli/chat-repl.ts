/** A conversation in the terminal. Ctrl-C stops the answer; at the prompt it ends the conversation, as Ctrl-D does. */
import { Problem } from '#protocol/problem.ts'
import { ask, withMessage } from './chat-ask.ts'
import type { ChatDeps, ChatQuestion } from './chat-stream.ts'
import type { CliContext } from './context.ts'
import type { Session } from './session.ts'
import { type Style, styleFor } from './style.ts'
import { printable } from './table.ts'

interface Talk {
  readonly session: Session
  readonly deps: ChatDeps
  /** The model, how to sample, and what is told before. */
  readonly question: ChatQuestion
}

const HELP = '/reset starts anew, /model NAME changes the model, /exit (or Ctrl-D) ends.'

export async function converse({ session, deps, question }: Talk): Promise<void> {
  const { context } = session
  const style = styleFor(context.stderr, context.env)
  const note = (text: string): void => context.stderr.write(`${style('dim', text)}\n`)
  note(`Talking with ${question.model}. ${HELP}`)
  let current = question
  for (;;) {
    const line = (await context.stdin.question(style('accent', '> ')))?.trim()
    if (line === undefined || line === '/exit' || line === '/quit') return
    if (line === '') continue
    if (line.startsWith('/')) {
      current = obey(line, { current, question, note })
      continue
    }
    const asked = withMessage(current, { role: 'user', content: line })
    const text = await answerOf({ session, deps, question: asked }, style)
    // What failed or was stopped is not part of the conversation: the next line starts where it stood before.
    if (text !== null) current = withMessage(asked, { role: 'assistant', content: text })
  }
}

interface State {
  readonly current: ChatQuestion
  readonly question: ChatQuestion
  note(text: string): void
}

function obey(line: string, { current, question, note }: State): ChatQuestion {
  const [command, name] = line.split(/\s+/)
  if (command === '/reset') {
    note('A new conversation.')
    return { ...question, model: current.model }
  }
  if (command === '/model' && name !== undefined) {
    note(`Talking with ${name}.`)
    return { ...current, model: name }
  }
  note(HELP)
  return current
}

/** The answer, or `null` when there is none: the reason is told, and the conversation goes on. */
async function answerOf({ session, deps, question }: Talk, style: Style): Promise<string | null> {
  const { context } = session
  const interruption = interruptible(context)
  try {
    const answer = await ask({ session, deps, signal: interruption.signal }, question)
    return answer.text
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    const isStopped = error.code === 'cancelled'
    context.stderr.write(`${isStopped ? style('dim', 'Stopped.') : style('bad', printable(error.message))}\n`)
    return null
  } finally {
    interruption.end()
  }
}

/** A signal for one answer: Ctrl-C stops that answer, not the conversation. */
function interruptible(context: Pick<CliContext, 'onInterrupt'>): { signal: AbortSignal; end(): void } {
  const controller = new AbortController()
  const end = context.onInterrupt(() => controller.abort(new Problem('cancelled', 'Stopped.')))
  return { signal: controller.signal, end }
}
