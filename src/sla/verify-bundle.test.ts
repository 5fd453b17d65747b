import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BundleSeal } from '#protocol/sla-evidence.ts'
import { BIN_MS } from './bins.ts'
import { NO_HASH } from './bundle.ts'
import { NOTICE_MS_MIN } from './decide-sla.ts'
import { NOVEMBER } from './test-sla.ts'
import { verifyBundle } from './verify-bundle.ts'

test('more maintenance than may be is found, though each window was announced in time', () => {
  const windows = (count: number) =>
    Array.from({ length: count }, (_, index) => {
      const fromMs = NOVEMBER + index * BIN_MS
      return { fromMs, toMs: fromMs + 1, announcedAtMs: fromMs - NOTICE_MS_MIN }
    })
  assert.deepEqual(faultsOf([], { maintenance: windows(96) }), [])
  assert.deepEqual(faultsOf([], { maintenance: windows(8_640) }), [
    'wrong: Maintenance leaves out 8640 bins of five minutes; 96 are allowed.',
  ])
})

const LATE_INSTANTS = [253_402_300_800_000, 8_640_000_000_000_001, Number.MAX_SAFE_INTEGER, -1]

for (const atMs of LATE_INSTANTS) {
  test(`an instant such as ${atMs} is no line of a bundle, wherever it stands`, () => {
    const lost = { kind: 'lost', requestId: 'a' }
    const refused = { kind: 'refused', problem: 'overloaded', count: 1 }
    for (const fact of [
      { ...lost, atMs, startedAtMs: atMs },
      { ...lost, atMs: NOVEMBER, startedAtMs: atMs },
      { ...refused, atMs, binStartMs: atMs },
      { ...refused, atMs: NOVEMBER, binStartMs: atMs },
    ])
      assert.match(faultsOf([fact], {})[0] ?? '', /^unreadable/)
    for (const part of [
      { maintenance: [{ fromMs: atMs, toMs: atMs, announcedAtMs: 0 }] },
      { outages: [{ fromMs: 0, toMs: atMs }] },
      { sealedAtMs: atMs },
    ])
      assert.deepEqual(faultsOf([], part), [
        'unreadable: This is no line of a bundle.',
        'cut_off: The bundle ends without a seal: its end is missing.',
      ])
  })
}

/** Of a bundle with these facts that is sealed as it should be, but for `part`. */
function faultsOf(facts: readonly object[], part: Partial<BundleSeal>): string[] {
  const header = {
    ...{ version: 1, networkKey: 'key', organisationId: 'acme', slaClass: 'business', month: '2026-11' },
  }
  let head = NO_HASH
  const lines = facts.map((fact, index) => {
    const place = { sequence: index + 1, previousHash: head, fact }
    head = `${index}`
    return { ...place, hash: head }
  })
  const seal = {
    ...{ ...header, facts: facts.length, head, maintenance: [], outages: [], statement: null },
    ...{ sealedAtMs: NOVEMBER, ...part },
  }
  const text = [{ header }, ...lines, { seal, signature: '' }]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join('')
  const checks = { sha256: () => head, verify: () => true }
  return verifyBundle(text, checks).faults.map(({ kind, message }) => `${kind}: ${message}`)
}
