import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HOUR_MS } from '#kernel/time.ts'
import { type BatchState, checkBatches, emptyBatchState, isOver } from './batch.ts'
import { BatchEvent } from './batch-events.ts'
import { batchLimits } from './batch-limits.ts'
import { type BatchCommand, type BatchRefusal, decideBatches } from './decide-batch.ts'
import { evolveBatches } from './evolve-batch.ts'
import { snapshotOf } from './snapshot-batch.ts'

test('a batch goes from its input to its results', () => {
  const { take, batch } = begun()
  assert.equal(take({ kind: 'finish_lines', ...chunk(1, [[1, 3]], { failed: 1 }) }), null)
  assert.equal(take({ kind: 'finalize', batchId: 'b', nowMs: 5 }), null)
  assert.equal(batch().status, 'finalizing')
  assert.equal(take({ kind: 'end', batchId: 'b', output: file('out'), errors: file('err'), nowMs: 6 }), null)
  const { status, completed, failed, outputFileId, errorFileId, endedAtMs } = batch()
  assert.deepEqual(
    [status, completed, failed, outputFileId, errorFileId, endedAtMs],
    ['completed', 2, 1, 'out', 'err', 6],
  )
})

test('a window that is over stops a batch, and what is done of it is delivered', () => {
  const { take, batch } = begun()
  take({ kind: 'finish_lines', ...chunk(1, [[2, 2]]) })
  assert.equal(take({ kind: 'expire', batchId: 'b', nowMs: 24 * HOUR_MS }), 'too_early')
  assert.equal(take({ kind: 'expire', batchId: 'b', nowMs: 24 * HOUR_MS + 2 }), null)
  assert.equal(batch().stop, 'expired')
  // What ran when the window ended may still come.
  assert.equal(take({ kind: 'finish_lines', ...chunk(2, [[3, 3]]) }), null)
  assert.equal(take({ kind: 'finalize', batchId: 'b', nowMs: 9 }), null)
  assert.equal(take({ kind: 'finish_lines', ...chunk(3, [[1, 1]]) }), 'status_wrong')
  take({ kind: 'end', batchId: 'b', output: file('out'), errors: null, nowMs: 10 })
  assert.deepEqual([batch().status, batch().completed], ['expired', 2])
})

test('a batch is cancelled once, however often that is asked for, and says so until it is', () => {
  const { take, batch } = begun()
  const cancel = { kind: 'cancel', batchId: 'b', organisationId: 'o', nowMs: 4 } as const
  assert.equal(take(cancel), null)
  assert.equal(take({ ...cancel, nowMs: 5 }), null)
  assert.deepEqual([batch().status, batch().cancellingAtMs], ['cancelling', 4])
  assert.equal(take({ kind: 'finalize', batchId: 'b', nowMs: 6 }), null)
  assert.equal(batch().status, 'cancelling')
  assert.equal(take({ kind: 'end', batchId: 'b', output: null, errors: null, nowMs: 7 }), null)
  assert.equal(batch().status, 'cancelled')
  assert.equal(take(cancel), null)
})

const refusals: [name: string, prepare: BatchCommand[], command: BatchCommand, refusal: BatchRefusal][] = [
  [
    'a file of somebody else',
    [],
    { kind: 'delete_file', fileId: 'f', organisationId: 'p', nowMs: 1 },
    'file_unknown',
  ],
  ['a file in use', [], { kind: 'delete_file', fileId: 'f', organisationId: 'o', nowMs: 1 }, 'file_in_use'],
  ['a file that has time', [], { kind: 'expire_file', fileId: 'g', nowMs: 99 }, 'too_early'],
  ['a batch of a file of somebody else', [], create({ batchId: 'c', organisationId: 'p' }), 'file_unknown'],
  ['a batch of no input', [], create({ batchId: 'c', inputFileId: 'r' }), 'file_not_input'],
  [
    'a batch of somebody else',
    [],
    { kind: 'cancel', batchId: 'b', organisationId: 'p', nowMs: 1 },
    'batch_unknown',
  ],
  ['a batch of nobody', [], { kind: 'finalize', batchId: 'x', nowMs: 1 }, 'batch_unknown'],
  ['lines that are open', [], { kind: 'finalize', batchId: 'b', nowMs: 1 }, 'lines_open'],
  ['a chunk out of turn', [], { kind: 'finish_lines', ...chunk(2, [[1, 1]]) }, 'chunk_wrong'],
  ['more lines than there are', [], { kind: 'finish_lines', ...chunk(1, [[1, 4]]) }, 'chunk_wrong'],
  ['lines that do not add up', [], { kind: 'finish_lines', ...chunk(1, [[1, 1]]), failed: 1 }, 'chunk_wrong'],
  [
    'a line that was done',
    [{ kind: 'finish_lines', ...chunk(1, [[1, 2]]) }],
    { kind: 'finish_lines', ...chunk(2, [[2, 2]]) },
    'lines_repeated',
  ],
  [
    'a second verdict',
    [],
    { kind: 'accept', batchId: 'b', model: 'm', requests: 1, nowMs: 1 },
    'status_wrong',
  ],
  [
    'an end too soon',
    [],
    { kind: 'end', batchId: 'b', output: null, errors: null, nowMs: 1 },
    'status_wrong',
  ],
  ['a batch that is alive', [], { kind: 'forget', batchId: 'b', nowMs: 1e15 }, 'status_wrong'],
]
for (const [name, prepare, command, refusal] of refusals) {
  test(`${name} is refused as ${refusal}`, () => {
    const { take } = begun()
    take({ kind: 'keep_file', ...file('g'), organisationId: 'o', claim: null, expiresAtMs: 100, nowMs: 1 })
    take({ kind: 'keep_file', ...file('r', 'batch_output'), organisationId: 'o', claim: null, nowMs: 1 })
    for (const before of prepare) assert.equal(take(before), null)
    assert.equal(take(command), refusal)
  })
}

test('a call that comes again makes nothing, and another under its key is refused', () => {
  const { take, state } = begun()
  const claim = { key: 'k', digest: 'd' }
  assert.equal(take({ ...create({ batchId: 'c' }), claim }), null)
  assert.equal(take({ ...create({ batchId: 'e' }), claim }), null)
  assert.deepEqual([state.claims.get('k'), state.batches.has('e')], ['c', false])
  assert.equal(take({ ...create({ batchId: 'e' }), claim: { key: 'k', digest: 'x' } }), 'claim_reused')
})

test('an organisation has only so many files, bytes and batches', () => {
  const { take } = begun({ organisationFilesMax: 2, organisationBytesMax: 25, organisationBatchesMax: 1 })
  const keep = (fileId: string, bytes: number) =>
    take({ kind: 'keep_file', ...file(fileId), bytes, organisationId: 'o', claim: null, nowMs: 1 })
  assert.equal(keep('g', 20), 'bytes_too_many')
  assert.equal(keep('g', 10), null)
  assert.equal(keep('h', 1), 'files_too_many')
  assert.equal(take(create({ batchId: 'c' })), 'batches_too_many')
})

test('of an organisation only so many batches are remembered: what failed goes first, then the oldest', () => {
  const { take, state } = begun({ organisationBatchesKeptMax: 4 })
  const refuse = (batchId: string) => {
    assert.equal(take(create({ batchId })), null)
    const errors = [{ code: 'c', message: 'm', param: null, line: 1 }]
    assert.equal(take({ kind: 'refuse', batchId, errors, nowMs: 3 }), null)
  }
  assert.equal(take({ kind: 'cancel', batchId: 'b', organisationId: 'o', nowMs: 4 }), null)
  assert.equal(take({ kind: 'finalize', batchId: 'b', nowMs: 5 }), null)
  assert.equal(take({ kind: 'end', batchId: 'b', output: null, errors: null, nowMs: 6 }), null)
  for (const batchId of ['c', 'd']) refuse(batchId)
  assert.equal(take(create({ batchId: 'open' })), null)
  refuse('e')
  assert.deepEqual([...state.batches.keys()], ['b', 'd', 'open', 'e'])
  for (const batchId of ['g', 'h', 'i']) assert.equal(take(create({ batchId })), null)
  // None of those that are not over goes, however many they are.
  for (const batchId of ['j', 'k']) assert.equal(take(create({ batchId })), null)
  assert.deepEqual([...state.batches.keys()], ['open', 'g', 'h', 'i', 'j', 'k'])
})

test('all refused batches of an organisation list so many errors together, and each one at least', () => {
  const { take, state } = begun({ organisationErrorsMax: 4 })
  const errors = [1, 2, 3].map((line) => ({ code: 'c', message: 'm', param: null, line }))
  for (const batchId of ['c', 'd', 'e', 'f']) {
    assert.equal(take(create({ batchId })), null)
    assert.equal(take({ kind: 'refuse', batchId, errors, nowMs: 3 }), null)
  }
  assert.deepEqual(
    [...state.batches.values()].map((batch) => batch.errors.length),
    [0, 3, 1, 1, 1],
  )
})

test('of a batch that is over it is no longer known which of its lines were done', () => {
  const { take, batch } = begun()
  take({ kind: 'finish_lines', ...chunk(1, [[1, 1]]) })
  take({ kind: 'finish_lines', ...chunk(2, [[3, 3]]) })
  assert.equal(take({ kind: 'cancel', batchId: 'b', organisationId: 'o', nowMs: 4 }), null)
  assert.equal(take({ kind: 'finalize', batchId: 'b', nowMs: 5 }), null)
  assert.deepEqual(batch().done.runs().length, 2)
  assert.equal(take({ kind: 'end', batchId: 'b', output: null, errors: null, nowMs: 6 }), null)
  assert.deepEqual([batch().done.runs(), batch().completed], [[[1, 2]], 2])
})

test('whatever is asked for in whatever order, the state makes sense, and a snapshot leads to the same', () => {
  fc.assert(
    fc.property(fc.array(anyCommand(), { maxLength: 60 }), (commands) => {
      const { state, take } = setup()
      for (const command of commands) {
        take(command)
        checkBatches(state)
        for (const batch of state.batches.values()) {
          if (isOver(batch)) assert.equal(takeAgain(state, command), 'unchanged')
        }
      }
      const again = emptyBatchState()
      for (const event of snapshotOf(state)) evolveBatches(again, BatchEvent.parse(JSON.parse(wireOf(event))))
      assert.deepEqual(plain(again), plain(state))
    }),
    { numRuns: 300 },
  )
})

test('a batch that was cancelled once its window had ended is that in a snapshot, too', () => {
  const { take, state } = begun()
  const nowMs = 24 * HOUR_MS + 2
  assert.equal(take({ kind: 'expire', batchId: 'b', nowMs }), null)
  assert.equal(take({ kind: 'cancel', batchId: 'b', organisationId: 'o', nowMs: nowMs + 1 }), null)
  const again = emptyBatchState()
  for (const event of snapshotOf(state)) evolveBatches(again, event)
  assert.deepEqual(plain(again), plain(state))
  assert.equal(again.batches.get('b')?.stop, 'cancelled')
})

/** What is over changes no more: the same decision made of a copy leaves the ended batches as they are. */
function takeAgain(state: BatchState, command: BatchCommand): 'unchanged' | 'changed' {
  const copy = emptyBatchState()
  for (const event of snapshotOf(state)) evolveBatches(copy, event)
  const before = overOf(copy)
  const decided = decideBatches(copy, command, batchLimits)
  if (typeof decided !== 'string') for (const event of decided) evolveBatches(copy, event)
  const after = overOf(copy)
  return [...before].every(([id, text]) => !after.has(id) || after.get(id) === text) ? 'unchanged' : 'changed'
}

const overOf = ({ batches }: BatchState): Map<string, string> =>
  new Map([...batches.values()].filter(isOver).map((batch) => [batch.batchId, textOf(batch)]))

const textOf = (value: unknown): string =>
  JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? String(part) : part))
const wireOf = textOf
const plain = ({ files, batches, claims }: BatchState): unknown => [
  [...files],
  [...batches.values()].map((batch) => ({ ...batch, done: batch.done.runs() })),
  [...claims].sort(),
]

function anyCommand(): fc.Arbitrary<BatchCommand> {
  const fileId = fc.constantFrom('f', 'g', 'h')
  const batchId = fc.constantFrom('b', 'c')
  const organisationId = fc.constantFrom('o', 'p')
  const nowMs = fc.constantFrom(1, 2, 24 * HOUR_MS + 5, 24 * 32 * HOUR_MS)
  const claim = fc.constantFrom(
    null,
    { key: 'k', digest: 'd' },
    { key: 'k', digest: 'e' },
    { key: 'l', digest: 'd' },
  )
  const line = fc.integer({ min: 1, max: 5 })
  return fc.oneof(
    fc.record({ fileId, organisationId, claim, nowMs }).map((some) => ({
      kind: 'keep_file' as const,
      ...file(some.fileId),
      ...some,
      expiresAtMs: 24 * HOUR_MS,
    })),
    fc.record({ kind: fc.constant('delete_file' as const), fileId, organisationId, nowMs }),
    fc.record({ kind: fc.constant('expire_file' as const), fileId, nowMs }),
    fc
      .record({ batchId, organisationId, inputFileId: fileId, claim, nowMs })
      .map((some) => ({ ...create({}), ...some })),
    fc.record({
      kind: fc.constant('accept' as const),
      batchId,
      model: fc.constant('m'),
      requests: fc.integer({ min: 1, max: 4 }),
      nowMs,
    }),
    fc.record({
      kind: fc.constant('refuse' as const),
      batchId,
      errors: fc.constant([{ code: 'c', message: 'm', param: null, line: 1 }]),
      nowMs,
    }),
    fc
      .record({
        batchId,
        first: line,
        length: fc.integer({ min: 0, max: 2 }),
        chunk: fc.integer({ min: 1, max: 4 }),
        nowMs,
      })
      .map(({ first, length, chunk: number, ...some }) => ({
        kind: 'finish_lines' as const,
        ...chunk(number, [[first, first + length]]),
        ...some,
      })),
    fc.record({ kind: fc.constant('cancel' as const), batchId, organisationId, nowMs }),
    fc.record({ kind: fc.constant('expire' as const), batchId, nowMs }),
    fc.record({ kind: fc.constant('finalize' as const), batchId, nowMs }),
    fc
      .record({ batchId, nowMs, fileId: fc.constantFrom('x', 'y') })
      .map(({ fileId: id, ...some }) => ({ kind: 'end' as const, ...some, output: file(id), errors: null })),
    fc.record({ kind: fc.constant('forget' as const), batchId, nowMs }),
  )
}

function file(fileId: string, purpose: 'batch' | 'batch_output' = 'batch') {
  return { fileId, filename: `${fileId}.jsonl`, purpose, bytes: 10, expiresAtMs: null } as const
}

function create(more: Partial<Extract<BatchCommand, { kind: 'create' }>>) {
  const endpoint = '/v1/chat/completions' as const
  const of = { batchId: 'b', organisationId: 'o', keyId: 'k', inputFileId: 'f', endpoint }
  return {
    kind: 'create' as const,
    ...of,
    metadata: null,
    outputKeepMs: null,
    claim: null,
    nowMs: 2,
    ...more,
  }
}

function chunk(number: number, runs: [number, number][], { failed = 0 } = {}) {
  const count = runs.reduce((sum, [first, last]) => sum + last - first + 1, 0)
  const tokens = { promptTokens: 1, completionTokens: 2 }
  return { batchId: 'b', chunk: number, runs, completed: count - failed, failed, tokens, cost: 3n, nowMs: 4 }
}

/** With a file `f` and a batch `b` of three lines that is in progress. */
function begun(limits: Partial<typeof batchLimits> = {}) {
  const { state, take } = setup(limits)
  assert.equal(take({ kind: 'keep_file', ...file('f'), organisationId: 'o', claim: null, nowMs: 1 }), null)
  assert.equal(take(create({})), null)
  assert.equal(take({ kind: 'accept', batchId: 'b', model: 'm', requests: 3, nowMs: 3 }), null)
  const batch = () => {
    const found = state.batches.get('b')
    assert.ok(found)
    return found
  }
  return { state, take, batch }
}

function setup(limits: Partial<typeof batchLimits> = {}) {
  const state = emptyBatchState()
  const take = (command: BatchCommand): BatchRefusal | null => {
    const decided = decideBatches(state, command, { ...batchLimits, ...limits })
    if (typeof decided === 'string') return decided
    for (const event of decided) evolveBatches(state, event)
    checkBatches(state)
    return null
  }
  return { state, take }
}
