/** On a real context of the tiny model, in this process. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { getLlama, type LlamaModel, type Token } from 'node-llama-cpp'
import { DecodeRounds } from './decode-rounds.ts'
import { generate } from './generate.ts'
import { type Slot, Slots } from './slots.ts'
import { tinyGguf } from './tiny-gguf.ts'

const model = await loadTinyModel()

test('a prompt that goes on from what a slot holds gets that slot, and only its rest is evaluated', async (t) => {
  const { slots, run } = await setup(t, 3)
  const first = tokens('what is the node that you are on')
  const slot = slots.take(first)
  const answer = await run(slot, first, 20)
  slots.giveBack(slot)
  const added = tokens('and more')
  const longer = [...first, ...answer, ...added]
  assert.equal(slots.take(longer), slot)
  const before = slot.sequence.tokenMeter.usedInputTokens
  await run(slot, longer, 1)
  // The last token of the answer is evaluated now, and the very last of the prompt counts as output.
  assert.equal(slot.sequence.tokenMeter.usedInputTokens - before, added.length)
})

test('a busy slot is not taken, however well it fits', async (t) => {
  const { slots, run } = await setup(t, 2)
  const prompt = tokens('what is the node that you are on')
  const slot = slots.take(prompt)
  await run(slot, prompt, 5)
  assert.notEqual(slots.take(prompt), slot)
  assert.equal(slots.hasFree, false)
})

test('a few common tokens are no reason to overwrite a conversation: the coldest slot is taken', async (t) => {
  const { slots, run } = await setup(t, 3)
  const used: Slot[] = []
  for (const text of ['hello you', 'the GPU is on', 'stop it']) {
    const slot = slots.take(tokens(text))
    await run(slot, tokens(text), 5)
    slots.giveBack(slot)
    used.push(slot)
  }
  assert.equal(new Set(used).size, 3)
  assert.equal(slots.take(tokens('hello, what is the shoal that you are in, and how')), used[0])
})

test('a renewed slot starts from nothing', async (t) => {
  const { slots, run } = await setup(t, 1)
  const prompt = tokens('what is the node that you are on')
  const slot = slots.take(prompt)
  const answer = await run(slot, prompt, 5)
  await slots.renew(slot)
  assert.equal(slot.sequence.nextTokenIndex, 0)
  assert.deepEqual(await run(slot, prompt, 5), answer)
})

const tokens = (text: string): Token[] => [1 as Token, ...model.tokenize(text)]

async function setup(t: { after(run: () => Promise<void>): void }, count: number) {
  const context = await model.createContext({ contextSize: 256, sequences: count, threads: 1 })
  t.after(() => context.dispose())
  const slots = new Slots(context, count)
  const run = async (slot: Slot, prompt: readonly Token[], tokensMax: number): Promise<Token[]> => {
    const generated: Token[] = []
    await generate(
      {
        sequence: slot.sequence,
        prompt,
        resumed: [],
        tokensMax,
        sampling: { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 },
        seed: 1,
        pieces: { bytesOf: () => new Uint8Array(0), hasLeadingSpace: false },
        trimsLeadingSpace: false,
        constraint: null,
        reader: null,
        topLogprobs: null,
      },
      {
        rounds: new DecodeRounds(),
        mayGoOn: () => true,
        onProgress: () => undefined,
        onDelta: ({ tokenIds }) => generated.push(...(tokenIds as Token[])),
      },
    )
    return generated
  }
  return { slots, run }
}

async function loadTinyModel(): Promise<LlamaModel> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-slots-'))
  const modelPath = join(folder, 'tiny.gguf')
  await writeFile(modelPath, tinyGguf({ isEndless: true }))
  const llama = await getLlama({ gpu: false, build: 'never', progressLogs: false, maxThreads: 1 })
  after(async () => {
    await llama.dispose()
    await rm(folder, { recursive: true })
  })
  return await llama.loadModel({ modelPath })
}
