import { Command } from 'commander'
import { Problem } from '#protocol/problem.ts'
import { decimal, wholeNumber } from './arguments.ts'
import { ask, speedOf, withMessage } from './chat-ask.ts'
import { converse } from './chat-repl.ts'
import {
  type ChatAnswer,
  type ChatDeps,
  type ChatMessage,
  type ChatQuestion,
  listModels,
} from './chat-stream.ts'
import type { CliContext } from './context.ts'
import { runSession, type Session } from './session.ts'

interface ChatOptions {
  readonly model?: string
  readonly system?: string
  readonly maxTokens?: number
  readonly temperature?: number
  readonly seed?: number
}

/** `shoal chat`: one question, or a conversation. */
export const chatCommand = (context: CliContext): Command =>
  new Command('chat')
    .description('ask a model; without a text, talk with it')
    .argument('[text...]', 'the question (default: what is piped in, or a conversation)')
    .option('-m, --model <model>', 'which model (default: the first that is served)')
    .option('-s, --system <text>', 'what the model is told before')
    .option('--max-tokens <count>', 'the longest answer', wholeNumber(1, 10_000_000))
    .option('--temperature <number>', 'how freely it chooses, 0 to 2', decimal(0, 2))
    .option('--seed <number>', 'makes the answer repeatable', wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .action((words: string[], options: ChatOptions, command: Command) =>
      runSession(context, command, (session) => chat(session, words.join(' '), options)),
    )

async function chat(session: Session, words: string, options: ChatOptions): Promise<void> {
  const { context, signal } = session
  const deps = chatDeps(session)
  const isTalk = words.trim() === '' && context.stdin.isTty && !session.isJson
  const text = words.trim() !== '' || isTalk ? words : await context.stdin.readAll()
  if (!isTalk && text.trim() === '') {
    throw new Problem('invalid_request', 'There is no question. Give one: shoal chat "What is Shoal?"')
  }
  const question = await prepare(deps, options, signal)
  if (isTalk) return converse({ session, deps, question })
  const answer = await ask({ session, deps, signal }, withMessage(question, { role: 'user', content: text }))
  if (session.isJson) context.stdout.write(`${JSON.stringify(documentOf(answer), null, 2)}\n`)
}

const chatDeps = ({ context, connection }: Session): ChatDeps => ({
  fetch: context.fetch,
  clock: context.clock,
  openaiBaseUrl: connection.openaiBaseUrl,
  apiKey: connection.apiKey,
})

/** Everything of a question but the words: the model, how to sample, what is told before. */
async function prepare(deps: ChatDeps, options: ChatOptions, signal: AbortSignal): Promise<ChatQuestion> {
  const { system, model, ...sampling } = options
  const messages: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }]
  return { ...pick(sampling), model: model ?? (await firstModel(deps, signal)), messages }
}

/** Commander hands over the shared options too. */
const pick = ({ maxTokens, temperature, seed }: ChatOptions) => ({
  ...(maxTokens !== undefined && { maxTokens }),
  ...(temperature !== undefined && { temperature }),
  ...(seed !== undefined && { seed }),
})

async function firstModel(deps: ChatDeps, signal: AbortSignal): Promise<string> {
  const [model] = await listModels(deps, signal)
  if (model !== undefined) return model
  throw new Problem(
    'no_node_available',
    'No model is served now, as no node is online. Add a node with `shoal provide`, or look at `shoal status`.',
  )
}

/** What `--json` prints. Milliseconds are whole, as everywhere in the API. */
const documentOf = (answer: ChatAnswer) => {
  const { cost, firstTokenMs, totalMs } = answer
  return {
    ...answer,
    firstTokenMs: firstTokenMs === null ? null : Math.round(firstTokenMs),
    totalMs: Math.round(totalMs),
    tokensPerSecond: speedOf(answer),
    cost: cost?.toString() ?? null,
  }
}
