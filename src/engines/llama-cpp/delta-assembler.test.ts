import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type AssembledDelta, DeltaAssembler, hasStopped } from './delta-assembler.ts'

test('plain text leaves with its token at once', () => {
  const { push } = setup({ pieces: ['Hel', 'lo', ' you'] })
  assert.deepEqual(push(0), { text: 'Hel', tokenIds: [0] })
  assert.deepEqual(push(1), { text: 'lo', tokenIds: [1] })
})

test('a character split over tokens leaves whole, with all of its tokens', () => {
  const fish = Buffer.from('🐟')
  const { push } = setup({ pieces: ['a', fish.subarray(0, 1), fish.subarray(1, 3), fish.subarray(3), 'b'] })
  assert.deepEqual([0, 1, 2, 3, 4].map(push), [
    { text: 'a', tokenIds: [0] },
    null,
    null,
    { text: '🐟', tokenIds: [1, 2, 3] },
    { text: 'b', tokenIds: [4] },
  ])
})

test('a control token is counted and says nothing', () => {
  const { push } = setup({ pieces: ['', 'a'] })
  assert.deepEqual(push(0), { text: '', tokenIds: [0] })
})

test('text before a stop text is delivered, the stop text is not, all tokens are counted', () => {
  const { assembler, push } = setup({ pieces: ['go ', 'St', 'OP now'], stops: ['StOP'] })
  assert.deepEqual(push(0), { text: 'go ', tokenIds: [0] })
  assert.equal(push(1), null)
  assert.deepEqual(assembler.push(2), { delta: { text: '', tokenIds: [1, 2] }, isStopped: true })
})

test('a false start of a stop text is delivered when it turns out not to be one', () => {
  const { push } = setup({ pieces: ['ab', 'aba', 'c', '!'], stops: ['abac'] })
  assert.equal(push(0), null)
  assert.deepEqual(push(1), { text: 'ab', tokenIds: [0] })
  assert.deepEqual(setup({ pieces: ['ab', 'x'], stops: ['abac'] }).pushAll([0, 1]), [
    { text: 'abx', tokenIds: [0, 1] },
  ])
})

test('the end of the stream shows an incomplete character as one replacement character', () => {
  const { assembler, push } = setup({ pieces: [Buffer.from('🐟').subarray(0, 2)] })
  assert.equal(push(0), null)
  assert.deepEqual(assembler.flush(), { text: '\uFFFD', tokenIds: [0] })
  assert.equal(assembler.flush(), null)
})

test('a leading space is left out once, when asked', () => {
  const { pushAll } = setup({ pieces: ['', ' Hi', ' you'], trimsLeadingSpace: true })
  assert.deepEqual(
    pushAll([0, 1, 2]).map(({ text }) => text),
    ['', 'Hi', ' you'],
  )
})

test('tokens that reach a stop text have stopped, those before it have not', () => {
  const bytes = [' St', 'OP', ' now', Buffer.from('é').subarray(0, 1)].map((piece) => Buffer.from(piece))
  const bytesOf = (token: number) => bytes[token] ?? new Uint8Array(0)
  const stopped = (tokens: readonly number[], stop: string, trimsLeadingSpace = false) =>
    hasStopped(tokens, { bytesOf, stops: [stop], trimsLeadingSpace })
  assert.deepEqual(
    [stopped([0, 1, 2], 'StOP'), stopped([0, 1], 'StOP'), stopped([0], 'StOP')],
    [true, true, false],
  )
  assert.deepEqual([stopped([0], ' S'), stopped([0], ' S', true)], [true, false])
  assert.equal(stopped([0, 3], 'StOP'), false)
  assert.equal(hasStopped([0, 1], { bytesOf, stops: ['', 'x'], trimsLeadingSpace: false }), false)
})

const piece = fc.oneof(
  fc.uint8Array({ maxLength: 4 }),
  fc.string({ unit: 'grapheme', maxLength: 3 }).map((text) => new TextEncoder().encode(text)),
  fc.constantFrom('a', 'b', 'ab', 'ba').map((text) => new TextEncoder().encode(text)),
)

test('law: deltas without stops spell the whole text, and each spells its own tokens', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const { deltas } = run(pieces, [])
      assert.equal(deltas.map(({ text }) => text).join(''), decode(pieces))
      assert.deepEqual(
        deltas.flatMap(({ tokenIds }) => tokenIds),
        [...pieces.keys()],
      )
      let count = 0
      let text = ''
      for (const delta of deltas) {
        count += delta.tokenIds.length
        text += delta.text
        assert.equal(text, decode(pieces.slice(0, count)))
      }
    }),
    { numRuns: 1000 },
  )
})

test('law: with stops the text ends right before the first of them, and never shows a part of it', () => {
  const stops = fc.array(fc.constantFrom('ab', 'ba', 'aab', 'bb', 'é', 'aaa'), { minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), stops, (pieces, stops) => {
      const { deltas, isStopped, used } = run(pieces, stops)
      const whole = decode(pieces.slice(0, used))
      const found = stops.map((stop) => whole.indexOf(stop)).filter((at) => at >= 0)
      // A stop text that only the end completes, with half a character behind it, ends the text all the same.
      assert.ok(!isStopped || found.length > 0)
      assert.equal(
        deltas.map(({ text }) => text).join(''),
        found.length > 0 ? whole.slice(0, Math.min(...found)) : whole,
      )
      assert.equal(deltas.flatMap(({ tokenIds }) => tokenIds).length, used)
    }),
    { numRuns: 1000 },
  )
})

const decode = (pieces: readonly Uint8Array[]) =>
  new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(pieces))

function run(pieces: readonly Uint8Array[], stops: readonly string[]) {
  const assembler = new DeltaAssembler({
    bytesOf: (token) => pieces[token] ?? new Uint8Array(0),
    stops,
    trimsLeadingSpace: false,
  })
  const deltas: AssembledDelta[] = []
  for (const token of pieces.keys()) {
    const { delta, isStopped } = assembler.push(token)
    if (delta !== null) deltas.push(delta)
    if (isStopped) return { deltas, isStopped, used: token + 1 }
  }
  const last = assembler.flush()
  if (last !== null) deltas.push(last)
  return { deltas, isStopped: false, used: pieces.length }
}

function setup(input: {
  pieces: readonly (string | Uint8Array)[]
  stops?: readonly string[]
  trimsLeadingSpace?: boolean
}) {
  const bytes = input.pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece))
  const assembler = new DeltaAssembler({
    bytesOf: (token) => bytes[token] ?? new Uint8Array(0),
    stops: input.stops ?? [],
    trimsLeadingSpace: input.trimsLeadingSpace ?? false,
  })
  const push = (token: number) => assembler.push(token).delta
  const pushAll = (tokens: readonly number[]) => tokens.map(push).filter((delta) => delta !== null)
  return { assembler, push, pushAll }
}
