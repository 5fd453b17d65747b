/** Requests against a real child process. How it dies and comes back is in `llama-cpp-supervision.test.ts`. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { assert as must } from '#kernel/assert.ts'
import { allFeatures } from '#protocol/engine-features.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { readGguf } from './gguf.ts'
import {
  chat,
  completion,
  embedding,
  finishRun,
  openTinyEngine,
  startRun,
  type TinyEngineOptions,
} from './tiny-engine.ts'
import { tinyGguf } from './tiny-gguf.ts'
import { createTokenPieces } from './token-pieces.ts'

// Runs do not see each other, so most tests share an engine: each start of a child costs a second.
const shared = await openTinyEngine({ slots: 16 })
after(() => shared.close())
await shared.engine.ready()

test('a ready engine tells its model, what may be asked of it and how much at once', () => {
  const [model, ...others] = shared.engine.models()
  assert.deepEqual(others, [])
  assert.match(model?.fingerprint ?? '', /^gguf:[0-9a-f]{32}$/)
  assert.deepEqual(
    { ...model, fingerprint: '' },
    {
      id: 'tiny',
      tasks: ['chat', 'completion', 'embedding'],
      contextTokens: 2048,
      slots: 16,
      fingerprint: '',
      computesOn: 'cpu',
      resumes: true,
      features: allFeatures,
    },
  )
})

test('a completion ends exactly at its maximum, and its deltas spell its tokens', async () => {
  const { text, tokenIds, deltas, end } = await finishRun(
    shared.engine,
    completion('hello', { maxTokens: 123 }),
  )
  assert.partialDeepStrictEqual(end, { finishReason: 'length', promptTokens: 6, completionTokens: 123 })
  assert.equal(tokenIds.length, 123)
  assert.ok(deltas.every((delta) => delta.tokenCount === delta.tokenIds.length))
  assert.equal(text, spell(tokenIds))
})

test('an answer that is resumed behind any of its tokens is the answer that was not interrupted', async () => {
  for (const ask of [
    (maxTokens: number) => completion('hello there', { maxTokens }),
    (maxTokens: number) => chat([{ role: 'user', content: 'hello' }], { maxTokens }),
    (maxTokens: number) =>
      completion('the', { maxTokens, sampling: { frequencyPenalty: 1.5, presencePenalty: 0.5 } }),
  ]) {
    const whole = await finishRun(shared.engine, ask(60))
    // Where deltas end: the gateway has no other places to go on from.
    const ends: number[] = []
    for (const delta of whole.deltas) ends.push((ends.at(-1) ?? 0) + delta.tokenIds.length)
    for (const at of ends.filter((end, index) => index % 7 === 0 && end < 60)) {
      const resumedIds = whole.tokenIds.slice(0, at)
      const rest = await finishRun(shared.engine, { ...ask(60 - at), resumedIds } as EngineRequest)
      assert.deepEqual([...resumedIds, ...rest.tokenIds], whole.tokenIds, `resumed at ${at}`)
      const before = whole.deltas.slice(0, ends.indexOf(at) + 1)
      assert.equal(before.map(({ text }) => text).join('') + rest.text, whole.text)
      assert.deepEqual([rest.end?.completionTokens, rest.startedWith], [60 - at, whole.startedWith])
    }
  }
})

test('a resumed answer still ends before its stop text, and tokens of another model are refused', async () => {
  const whole = await finishRun(shared.engine, completion('hello', { maxTokens: 40 }))
  const stop = whole.deltas
    .slice(20, 23)
    .map(({ text }) => text)
    .join('')
  const stopped = await finishRun(
    shared.engine,
    completion('hello', { maxTokens: 40, sampling: { stop: [stop] } }),
  )
  const [first] = stopped.deltas
  assert.ok(first)
  const rest = await finishRun(shared.engine, {
    ...completion('hello', { maxTokens: 40 - first.tokenIds.length, sampling: { stop: [stop] } }),
    resumedIds: [...first.tokenIds],
  } as EngineRequest)
  assert.equal(first.text + rest.text, stopped.text)
  assert.equal(rest.end?.finishReason, stopped.end?.finishReason)
  // All of it was delivered, and only its end was not heard: the ids hold the stop text, and nothing comes behind it.
  const over = await finishRun(shared.engine, {
    ...completion('hello', { maxTokens: 5, sampling: { stop: [stop] } }),
    resumedIds: [...stopped.tokenIds],
  } as EngineRequest)
  assert.deepEqual([over.text, over.end?.finishReason, over.end?.completionTokens], ['', 'stop', 0])
  assert.equal(over.startedWith, stopped.startedWith)
  const foreign = await finishRun(shared.engine, {
    ...completion('hello'),
    resumedIds: [1_000_000],
  } as EngineRequest)
  assert.equal(foreign.problem?.code, 'node_failed')
})

test('20 parallel streams over 16 slots all complete, with exact counts and the text that each has alone', async () => {
  const requests = Array.from({ length: 20 }, (_, index) =>
    // Seeds by which none of these answers ends by itself.
    completion(`the node ${index}`, {
      maxTokens: 60 + index,
      sampling: { temperature: 1, seed: 100 + index },
    }),
  )
  const together = await Promise.all(requests.map((request) => finishRun(shared.engine, request)))
  for (const [index, { end, tokenIds, text }] of together.entries()) {
    assert.deepEqual(
      [end?.finishReason, end?.completionTokens, tokenIds.length],
      ['length', 60 + index, 60 + index],
    )
    assert.equal(text, spell(tokenIds))
  }
  for (const index of [0, 7, 19]) {
    const request = requests[index]
    must(request !== undefined, 'the index is of the list')
    assert.equal((await finishRun(shared.engine, request)).text, together[index]?.text)
  }
})

test('one seed gives one text, another seed another, and no seed a new one each time', async () => {
  const run = async (seed?: number) =>
    (
      await finishRun(
        shared.engine,
        completion('hello', { sampling: { temperature: 1, ...(seed === undefined ? {} : { seed }) } }),
      )
    ).text
  assert.equal(await run(7), await run(7))
  assert.notEqual(await run(7), await run(8))
  assert.notEqual(await run(), await run())
  // The largest and a negative one are seeds as any other.
  assert.equal(await run(0xffff_ffff), await run(0xffff_ffff))
  assert.equal(await run(-1), await run(-1))
})

test('a stop text across token borders ends the text before it', async () => {
  const free = await finishRun(shared.engine, completion('hello', { maxTokens: 60 }))
  const [first, second] = wordsAcrossDeltas(free.deltas.map(({ text }) => text))
  const stopped = await finishRun(
    shared.engine,
    completion('hello', { maxTokens: 60, sampling: { stop: [second, first] } }),
  )
  assert.equal(stopped.text, free.text.slice(0, free.text.indexOf(first)))
  assert.equal(stopped.end?.finishReason, 'stop')
  assert.equal(stopped.end?.completionTokens, stopped.tokenIds.length)
  assert.deepEqual(stopped.tokenIds, free.tokenIds.slice(0, stopped.tokenIds.length))
})

test('a frequency penalty makes repeated tokens rarer', async () => {
  const distinct = async (frequencyPenalty: number) => {
    const request = completion('the', { maxTokens: 200, sampling: { frequencyPenalty } })
    return new Set((await finishRun(shared.engine, request)).tokenIds).size
  }
  assert.ok((await distinct(2)) > (await distinct(0)))
})

test('a prompt that fills the context is refused with both numbers', async () => {
  const { problem } = await finishRun(shared.engine, completion('a'.repeat(5000)))
  assert.equal(problem?.code, 'context_length_exceeded')
  assert.match(problem.message, /maximum context length is 2048 tokens, but your 'prompt' resulted in 5001/)
})

test('a generation ends with the context, whatever its maximum', async () => {
  const prompt = 'a'.repeat(2000)
  const { end, tokenIds } = await finishRun(shared.engine, completion(prompt, { maxTokens: 500 }))
  assert.partialDeepStrictEqual(end, { finishReason: 'length', promptTokens: 2001, completionTokens: 47 })
  assert.equal(tokenIds.length, 47)
})

test('a cancelled run says nothing more', async () => {
  const long = startRun(shared.engine, completion('hello', { maxTokens: 2000 }))
  await long.begun
  long.run.cancel()
  const seen = long.deltas.length
  await finishRun(shared.engine, completion('hello', { maxTokens: 50 }))
  assert.equal(long.deltas.length, seen)
})

test('a run cancelled while its prompt is evaluated leaves its slot in order', async () => {
  const prompt = 'b'.repeat(2000)
  const cancelled = startRun(shared.engine, completion(prompt))
  cancelled.run.cancel()
  const { end } = await finishRun(shared.engine, completion(prompt, { maxTokens: 4 }))
  assert.partialDeepStrictEqual(end, { finishReason: 'length', promptTokens: 2002, completionTokens: 4 })
  assert.equal(cancelled.deltas.length, 0)
})

test('a paused run says nothing until it goes on, and then all of it', async () => {
  const whole = await finishRun(shared.engine, completion('node', { maxTokens: 300 }))
  const paused = startRun(shared.engine, completion('node', { maxTokens: 300 }))
  await paused.begun
  paused.run.pause()
  await finishRun(shared.engine, completion('hello', { maxTokens: 2 }))
  const seen = paused.deltas.length
  await finishRun(shared.engine, completion('hello', { maxTokens: 100 }))
  assert.equal(paused.deltas.length, seen)
  assert.ok(seen < 200)
  paused.run.resume()
  assert.equal((await paused.finished).text, whole.text)
})

test('a conversation that goes on reads the same with and without the state of its first turn', async () => {
  const first = chat([{ role: 'user', content: 'what is the GPU that you are on' }], { maxTokens: 40 })
  const { text } = await finishRun(shared.engine, first)
  const second = chat(
    [
      { role: 'user', content: 'what is the GPU that you are on' },
      { role: 'assistant', content: text },
      { role: 'user', content: 'and the node' },
    ],
    { maxTokens: 40 },
  )
  const warm = await finishRun(shared.engine, second)
  const other = await openTinyEngine({ slots: 1 })
  try {
    await other.engine.ready()
    assert.equal((await finishRun(other.engine, second)).text, warm.text)
  } finally {
    await other.close()
  }
})

test('a last message of the assistant is continued, not answered', async () => {
  const promptTokens = async (messages: Parameters<typeof chat>[0]) =>
    (await finishRun(shared.engine, chat(messages, { maxTokens: 1 }))).end?.promptTokens ?? 0
  const asked = { role: 'user' as const, content: 'hello' }
  const begun = { role: 'assistant' as const, content: 'the node' }
  assert.equal((await promptTokens([asked, begun])) - (await promptTokens([asked])), 7)
})

test('control tokens that a message spells stay plain text', async () => {
  const tokens = async (content: string) =>
    (await finishRun(shared.engine, chat([{ role: 'user', content }], { maxTokens: 1 }))).end?.promptTokens ??
    0
  // <s> <|user|> a <|end|> <|assistant|>; spelt in a message, a control token is its letters.
  assert.equal(await tokens('a'), 5)
  assert.ok((await tokens('<|end|><|system|>')) > 5 + 10)
})

test('embeddings are unit vectors in the order of their inputs, and their tokens are counted', async () => {
  const { vectors, end } = await finishRun(shared.engine, embedding(['hello', 'the GPU', 'hello']))
  assert.equal(vectors.length, 3)
  for (const vector of vectors) {
    assert.equal(vector.length, 64)
    assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-5)
  }
  assert.deepEqual(vectors[0], vectors[2])
  assert.notDeepEqual(vectors[0], vectors[1])
  assert.partialDeepStrictEqual(end, { finishReason: 'stop', promptTokens: 20, completionTokens: 0 })
})

const refused: readonly (readonly [name: string, request: Parameters<typeof finishRun>[1], code: string])[] =
  [
    ['another model', completion('hello', { model: 'other' }), 'model_not_found'],
    ['an embedding of too long an input', embedding(['a'.repeat(5000)]), 'context_length_exceeded'],
  ]
for (const [name, request, code] of refused) {
  test(`${name} is refused as ${code}`, async () => {
    assert.equal((await finishRun(shared.engine, request)).problem?.code, code)
  })
}

test('the end-of-text token ends the text with `stop` and is not counted', async (t) => {
  const { engine } = await setup(t, { model: { isEndless: false } })
  const runs = await Promise.all(
    Array.from({ length: 12 }, (_, seed) =>
      finishRun(engine, completion('hello', { maxTokens: 1500, sampling: { temperature: 2, seed } })),
    ),
  )
  const stopped = runs.filter(({ end }) => end?.finishReason === 'stop')
  assert.ok(stopped.length > 0)
  for (const { end, tokenIds } of stopped) {
    assert.equal(end?.completionTokens, tokenIds.length)
    assert.ok(!tokenIds.includes(2))
  }
})

test('a model without a chat template does not chat', async (t) => {
  const { engine } = await setup(t, { model: { chatTemplate: null } })
  assert.deepEqual(engine.models()[0]?.tasks, ['completion', 'embedding'])
  const { problem } = await finishRun(engine, chat([{ role: 'user', content: 'hello' }]))
  assert.equal(problem?.code, 'invalid_request')
})

test('a template that refuses the conversation is the caller’s to mend, in its own words', async (t) => {
  const chatTemplate = "{{ raise_exception('Roles must alternate') }}"
  const { engine } = await setup(t, { model: { chatTemplate } })
  const { problem } = await finishRun(engine, chat([{ role: 'user', content: 'hello' }]))
  assert.equal(problem?.code, 'invalid_request')
  assert.match(problem.message, /Roles must alternate/)
})

test('what exceeds the slots waits, what exceeds the queue is refused, and a cancelled run makes room', async (t) => {
  const { engine } = await setup(t, { slots: 1, queueMax: 2 })
  const runs = Array.from({ length: 4 }, () => startRun(engine, completion('hello', { maxTokens: 1500 })))
  const [working, ...waiting] = runs
  must(working !== undefined, 'there are four')
  assert.equal((await waiting[2]?.finished)?.problem?.code, 'queue_full')
  await working.begun
  assert.equal(waiting[0]?.deltas.length, 0)
  working.run.cancel()
  waiting[0]?.run.cancel()
  assert.equal((await waiting[1]?.finished)?.end?.completionTokens, 1500)
})

test('the context is bounded by the configuration', async (t) => {
  const { engine } = await setup(t, { contextTokensMax: 300, slots: 2 })
  assert.equal(engine.models()[0]?.contextTokens, 300)
  const { end } = await finishRun(engine, completion('hello', { maxTokens: 1000 }))
  assert.partialDeepStrictEqual(end, { finishReason: 'length', promptTokens: 6, completionTokens: 294 })
})

const pieces = createTokenPieces(readGguf(sourceOf(tinyGguf({ isEndless: true })), 'tiny').metadata)

function sourceOf(bytes: Uint8Array) {
  return { sizeBytes: bytes.length, read: (at: number, length: number) => bytes.slice(at, at + length) }
}

function spell(tokenIds: readonly number[]): string {
  assert.ok(pieces)
  return Buffer.concat(tokenIds.map(pieces.bytesOf)).toString()
}

/** Two texts, each of the end of one delta and the beginning of the next, that occur nowhere before. */
function wordsAcrossDeltas(texts: readonly string[]): readonly [string, string] {
  const whole = texts.join('')
  const found: string[] = []
  let at = 0
  for (const [index, text] of texts.entries()) {
    at += text.length
    const word = text.slice(-1) + (texts[index + 1] ?? '').slice(0, 1)
    if (index > 8 && word.length === 2 && !word.includes('\uFFFD') && whole.indexOf(word) === at - 1)
      found.push(word)
  }
  const [first, second] = found
  must(first !== undefined && second !== undefined, 'the text is long enough for two')
  return [first, second]
}

async function setup(t: { after(run: () => Promise<void>): void }, options: TinyEngineOptions) {
  const opened = await openTinyEngine(options)
  t.after(opened.close)
  await opened.engine.ready()
  return opened
}
