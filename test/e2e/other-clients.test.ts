/** Vercel's `ai` and LangChain against a real network, unchanged: streaming and not, with tools and a JSON schema. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import { load, packagesMissing } from './client-packages.ts'
import { type Network, openRig, startTiny } from './rig.ts'

const vercel = ['ai', '@ai-sdk/openai-compatible'] as const
const langchain = ['@langchain/openai', '@langchain/core/tools'] as const
const noVercel = packagesMissing(...vercel)
const noLangchain = packagesMissing(...langchain)

const rig = openRig()
after(() => rig.dispose())
let network: Network | null = null
before(async () => {
  if (!noVercel || !noLangchain) network = await startTiny(rig, rig.path('data'))
})
const there = (): Network => network ?? assert.fail('the network is started when a client is there')

const verdict = z.object({ answer: z.enum(['yes', 'no']), level: z.int().min(1).max(5) })
const weather = z.object({ city: z.enum(['Oslo', 'Rome']) })
const prompt = 'What is Shoal?'

/** What is used of them, as they document it. */
interface Ai {
  generateText(options: object): Promise<{
    text: string
    usage: { outputTokens?: number }
    toolCalls: { toolName: string; input: unknown }[]
    finishReason: string
    output: unknown
  }>
  streamText(options: object): { textStream: AsyncIterable<string>; finishReason: PromiseLike<string> }
  tool(definition: object): unknown
  readonly Output: { object(options: object): unknown }
}
interface AiProvider {
  createOpenAICompatible(options: object): (model: string) => unknown
}

async function vercelSetup() {
  const ai = await load<Ai>('ai')
  const { createOpenAICompatible } = await load<AiProvider>('@ai-sdk/openai-compatible')
  const { ready } = there()
  const provider = createOpenAICompatible({
    name: 'shoal',
    baseURL: ready.openaiBaseUrl,
    apiKey: ready.apiKey,
    supportsStructuredOutputs: true,
  })
  return {
    ai,
    base: { model: provider('tiny'), prompt, temperature: 0, maxOutputTokens: 200, maxRetries: 0 },
  }
}

test("Vercel's ai answers whole and streamed", { skip: noVercel }, async () => {
  const { ai, base } = await vercelSetup()
  const whole = await ai.generateText({ ...base, maxOutputTokens: 20 })
  assert.deepEqual([whole.finishReason, whole.usage.outputTokens], ['length', 20])
  const stream = ai.streamText({ ...base, maxOutputTokens: 20 })
  let text = ''
  for await (const piece of stream.textStream) text += piece
  assert.deepEqual([text, await stream.finishReason], [whole.text, 'length'])
})

test("Vercel's ai has an object by its schema and a call of a tool", { skip: noVercel }, async () => {
  const { ai, base } = await vercelSetup()
  const { output } = await ai.generateText({ ...base, output: ai.Output.object({ schema: verdict }) })
  verdict.parse(output)
  const tools = { weather: ai.tool({ description: 'Tells the weather.', inputSchema: weather }) }
  const called = await ai.generateText({ ...base, tools, toolChoice: 'required' })
  assert.equal(called.toolCalls[0]?.toolName, 'weather')
  weather.parse(called.toolCalls[0]?.input)
})

interface ChatMessage {
  readonly content: string
  readonly usage_metadata?: { output_tokens: number }
  readonly tool_calls?: { name: string; args: unknown; id?: string }[]
}
interface ChatModel {
  invoke(input: unknown): Promise<ChatMessage>
  stream(input: unknown): Promise<AsyncIterable<ChatMessage>>
  bindTools(tools: unknown[], options: object): ChatModel
  withStructuredOutput(schema: unknown, options: object): { invoke(input: unknown): Promise<unknown> }
}
interface LangchainOpenAi {
  readonly ChatOpenAI: new (options: object) => ChatModel
}
interface LangchainTools {
  tool(run: () => string, options: object): unknown
}

async function langchainSetup(maxTokens: number) {
  const { ChatOpenAI } = await load<LangchainOpenAi>('@langchain/openai')
  const { ready } = there()
  return new ChatOpenAI({
    model: 'tiny',
    temperature: 0,
    maxTokens,
    maxRetries: 0,
    apiKey: ready.apiKey,
    configuration: { baseURL: ready.openaiBaseUrl },
  })
}

test('LangChain answers whole and streamed', { skip: noLangchain }, async () => {
  const model = await langchainSetup(20)
  const whole = await model.invoke(prompt)
  assert.equal(whole.usage_metadata?.output_tokens, 20)
  let text = ''
  for await (const piece of await model.stream(prompt)) text += piece.content
  assert.equal(text, whole.content)
})

test('LangChain has an object by its schema, calls a tool and sends its result back', {
  skip: noLangchain,
}, async () => {
  const model = await langchainSetup(200)
  const structured = model.withStructuredOutput(verdict, {
    name: 'verdict',
    method: 'jsonSchema',
    strict: true,
  })
  verdict.parse(await structured.invoke(prompt))
  const { tool } = await load<LangchainTools>('@langchain/core/tools')
  const tools = [tool(() => 'sunny', { name: 'weather', description: 'Tells the weather.', schema: weather })]
  const bound = model.bindTools(tools, { tool_choice: 'required', parallel_tool_calls: false })
  const called = await bound.invoke(prompt)
  const [made] = called.tool_calls ?? []
  assert.equal(made?.name, 'weather')
  weather.parse(made?.args)
  const { ToolMessage, HumanMessage } =
    await load<Record<string, new (input: unknown) => unknown>>('@langchain/core/messages')
  assert.ok(ToolMessage && HumanMessage)
  const result = new ToolMessage({ content: 'sunny', tool_call_id: made?.id, name: 'weather' })
  const next = await (await langchainSetup(8)).invoke([new HumanMessage(prompt), called, result])
  assert.equal(next.usage_metadata?.output_tokens, 8)
})
