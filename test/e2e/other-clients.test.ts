/** Vercel's `ai` and LangChain against a real network, unchanged: streaming and not, with tools and a JSON schema. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { HumanMessage, ToolMessage } from '@langchain/core/messages'
import { tool as langchainTool } from '@langchain/core/tools'
import { ChatOpenAI } from '@langchain/openai'
import { dynamicTool, generateText, Output, streamText, type ToolSet } from 'ai'
import { z } from 'zod'
import { type Network, openRig, startTiny } from './rig.ts'

const rig = openRig()
after(() => rig.dispose())
let network: Network | null = null
before(async () => {
  network = await startTiny(rig, rig.path('data'))
})
const there = (): Network => network ?? assert.fail('the network is started')

const verdict = z.object({ answer: z.enum(['yes', 'no']), level: z.int().min(1).max(5) })
const weather = z.object({ city: z.enum(['Oslo', 'Rome']) })
const prompt = 'What is Shoal?'

function vercelSetup() {
  const { ready } = there()
  const provider = createOpenAICompatible({
    name: 'shoal',
    baseURL: ready.openaiBaseUrl,
    apiKey: ready.apiKey,
    supportsStructuredOutputs: true,
  })
  return { model: provider('tiny'), prompt, temperature: 0, maxOutputTokens: 200, maxRetries: 0 }
}

test("Vercel's ai answers whole and streamed", async () => {
  const base = vercelSetup()
  const whole = await generateText({ ...base, maxOutputTokens: 20 })
  assert.deepEqual([whole.finishReason, whole.usage.outputTokens], ['length', 20])
  const stream = streamText({ ...base, maxOutputTokens: 20 })
  let text = ''
  for await (const piece of stream.textStream) text += piece
  assert.deepEqual([text, await stream.finishReason], [whole.text, 'length'])
})

test("Vercel's ai has an object by its schema and a call of a tool", async () => {
  const base = vercelSetup()
  const { output } = await generateText({ ...base, output: Output.object({ schema: verdict }) })
  verdict.parse(output)
  const tools: ToolSet = {
    weather: dynamicTool({
      description: 'Tells the weather.',
      inputSchema: weather,
      execute: async () => 'sunny',
    }),
  }
  const called = await generateText({ ...base, tools, toolChoice: 'required' })
  assert.equal(called.toolCalls[0]?.toolName, 'weather')
  weather.parse(called.toolCalls[0]?.input)
})

const outputTokens = ({ usage_metadata }: { usage_metadata?: unknown }): number =>
  z.object({ output_tokens: z.int() }).parse(usage_metadata).output_tokens

function langchainSetup(maxTokens: number) {
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

test('LangChain answers whole and streamed', async () => {
  const model = langchainSetup(20)
  const whole = await model.invoke(prompt)
  assert.equal(outputTokens(whole), 20)
  let text = ''
  for await (const piece of await model.stream(prompt)) text += piece.text
  assert.equal(text, whole.text)
})

test('LangChain has an object by its schema, calls a tool and sends its result back', async () => {
  const model = langchainSetup(200)
  const structured = model.withStructuredOutput(verdict, {
    name: 'verdict',
    method: 'jsonSchema',
    strict: true,
  })
  verdict.parse(await structured.invoke(prompt))
  const definition = { name: 'weather', description: 'Tells the weather.', schema: weather }
  const tools = [langchainTool(() => 'sunny', definition)]
  const bound = model.bindTools(tools, { tool_choice: 'required', parallel_tool_calls: false })
  const called = await bound.invoke(prompt)
  const [made] = called.tool_calls ?? []
  assert.equal(made?.name, 'weather')
  weather.parse(made?.args)
  const result = new ToolMessage({ content: 'sunny', tool_call_id: made?.id ?? '', name: 'weather' })
  const next = await langchainSetup(8).invoke([new HumanMessage(prompt), called, result])
  assert.equal(outputTokens(next), 8)
})
