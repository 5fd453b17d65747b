import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { type AuditNote, checkAudit, decideAudit, emptyAudit, evolveAudit, hashOf, noHead } from './audit.ts'
import { formatAuditLine, verifyAudit } from './verify-audit.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

test('each entry carries the hash of the one before it, in a chain for each organisation', () => {
  const { entries, state } = setup(['a', 'b', 'a', 'a', 'b'])
  const chains = ['a', 'b'].map((id) => entries.filter(({ organisationId }) => organisationId === id))
  for (const chain of chains) {
    let previous = noHead
    for (const entry of chain) {
      assert.deepEqual([entry.sequence, entry.previousHash], [previous.sequence + 1, previous.hash])
      assert.equal(hashOf(entry, sha256), entry.hash)
      previous = entry
    }
    assert.equal(
      state.heads.get(previous === noHead ? '' : (chain[0]?.organisationId ?? ''))?.hash,
      previous.hash,
    )
  }
})

test('an entry that does not follow is a bug, never applied', () => {
  const { state, entries } = setup(['a', 'a'])
  const [first] = entries
  assert.ok(first)
  assert.throws(() => evolveAudit(state, { type: 'audit.recorded', entry: first }), /jumps to 1/)
  const forged = { ...first, sequence: 3 }
  assert.throws(() => evolveAudit(state, { type: 'audit.recorded', entry: forged }), /breaks at 3/)
})

test('a whole export verifies, and says where each chain ends', () => {
  const { lines, state } = setup(['a', 'b', 'a'])
  const { faults, heads, entries } = verifyAudit(lines.join('\n'), sha256)
  assert.deepEqual([faults, entries], [[], 3])
  assert.deepEqual(heads, state.heads)
})

/** What somebody does to the file, and the fault that is found, at which line and entry. */
const harms: readonly [
  name: string,
  harm: (lines: string[]) => string[],
  kinds: string[],
  message: RegExp,
][] = [
  [
    'a word is changed',
    (lines) => lines.with(2, (lines[2] ?? '').replace('"act":"act 3"', '"act":"act 9"')),
    ['changed'],
    /^Line 3 \(entry 3 of a\) was changed/,
  ],
  [
    'a word is changed and the hash made anew',
    (lines) => lines.with(2, rehashed(lines[2] ?? '', { act: 'act 9' })),
    ['unlinked'],
    /^Line 4 \(entry 4 of a\) does not follow/,
  ],
  [
    'something is added',
    (lines) => lines.with(2, (lines[2] ?? '').replace('{', '{"extra":1,')),
    ['unreadable', 'missing'],
    /^Line 3 is no entry/,
  ],
  [
    'something is added within',
    (lines) => lines.with(2, (lines[2] ?? '').replace('"kind":', '"extra":1,"kind":')),
    ['changed'],
    /^Line 3 \(entry 3 of a\) was changed/,
  ],
  [
    'an entry is left out',
    (lines) => lines.toSpliced(2, 1),
    ['missing'],
    /^Entry 3 of a is missing before line 3/,
  ],
  [
    'two entries are left out',
    (lines) => lines.toSpliced(1, 2),
    ['missing'],
    /^Entries 2 to 3 of a are missing before line 2/,
  ],
  ['the first is left out', (lines) => lines.slice(1), ['missing'], /^Entry 1 of a is missing before line 1/],
  [
    'two change places',
    (lines) => [lines[0], lines[2], lines[1], ...lines.slice(3)].map((line) => line ?? ''),
    ['missing', 'reordered'],
    /^Line 3 \(entry 2 of a\) comes after entry 3: it was moved/,
  ],
  [
    'one is there twice',
    (lines) => lines.toSpliced(2, 0, lines[1] ?? ''),
    ['repeated'],
    /^Line 3 \(entry 2 of a\) repeats line 2/,
  ],
  [
    'the last is left out',
    (lines) => lines.toSpliced(4, 1),
    ['missing'],
    /^Line 5 says that the log of a ends with entry 5/,
  ],
  ['the end is left out', (lines) => lines.slice(0, -1), ['cut_off'], /stops after entry 5 without the line/],
  [
    'a line is cut short',
    (lines) => lines.with(4, (lines[4] ?? '').slice(0, 99)),
    ['unreadable', 'missing'],
    /^Line 5/,
  ],
]

for (const [name, harm, kinds, message] of harms) {
  test(`${name}: it is found and named`, () => {
    const { lines } = setup(['a', 'a', 'a', 'a', 'a'])
    const { faults } = verifyAudit(harm(lines).join('\n'), sha256)
    assert.deepEqual(
      faults.map(({ kind }) => kind),
      kinds,
    )
    assert.ok(
      faults.some((fault) => message.test(fault.message)),
      JSON.stringify(faults),
    )
  })
}

test('an end that was forged with the rest is found by a head that is known from elsewhere', () => {
  const { lines, state } = setup(['a', 'a', 'a'])
  const shortened = setup(['a', 'a']).lines.join('\n')
  assert.deepEqual(verifyAudit(shortened, sha256).faults, [])
  const [fault, ...others] = verifyAudit(shortened, sha256, state.heads).faults
  assert.deepEqual([fault?.kind, others.length], ['cut_off', 0])
  assert.deepEqual(verifyAudit(lines.join('\n'), sha256, state.heads).faults, [])
})

/** An entry that was changed, with a hash that fits. */
function rehashed(line: string, change: Readonly<Record<string, unknown>>): string {
  const entry = { ...JSON.parse(line), ...change }
  return formatAuditLine({ ...entry, hash: hashOf(entry, sha256) })
}

/** Acts on these organisations, one after the other. */
function setup(organisations: readonly string[]) {
  const state = emptyAudit()
  const entries = organisations.map((organisationId, index) => {
    const note: AuditNote = {
      organisationId,
      atMs: 1_800_000_000_000 + index,
      actor: {
        kind: 'key',
        keyId: 'k',
        organisationId: 'a',
        memberId: null,
        serviceAccountId: null,
        scopes: ['owner'],
      },
      act: `act ${index + 1}`,
      objectId: null,
      details: { name: 'a "name"\n\ud800' },
      outcome: 'done',
      problem: null,
      requestId: `req_${index}`,
      sourceAddress: null,
    }
    const [event] = decideAudit(state, { kind: 'record', note, sha256 })
    assert.ok(event)
    evolveAudit(state, event)
    checkAudit(state)
    return event.entry
  })
  const lines = [...state.heads].flatMap(([organisationId, head]) => [
    ...entries.filter((entry) => entry.organisationId === organisationId).map(formatAuditLine),
    formatAuditLine({ end: { organisationId, ...head } }),
  ])
  return { state, entries, lines }
}
