import assert from 'node:assert/strict'
import { test } from 'node:test'
import { spanOfMonth } from '#sla/bins.ts'
import { NO_HASH } from '#sla/bundle.ts'
import { MONTH_GRACE_MS } from '#sla/sla.ts'
import { createStubTerminal } from './stub-context.ts'

test('a month without a statement is not closed, or is over and has none', async () => {
  const closesAtMs = spanOfMonth('2026-10').toMs + MONTH_GRACE_MS
  assert.match(await recomputed(closesAtMs - 1), /Nothing is posted yet: the month is not closed\./)
  const later = await recomputed(closesAtMs)
  assert.doesNotMatch(later, /not closed/)
  assert.match(later, /keeps no statement of this month, which is over: nothing of the class was counted/)
})

async function recomputed(sealedAtMs: number): Promise<string> {
  const header = {
    version: 1,
    networkKey: 'ab',
    organisationId: 'org_1',
    slaClass: 'business',
    month: '2026-10',
  }
  const counted = { facts: 0, head: NO_HASH, maintenance: [], outages: [], statement: null, sealedAtMs }
  const lines = [{ header }, { seal: { ...header, ...counted }, signature: 'cd' }]
  const files = { 'october.jsonl': lines.map((line) => `${JSON.stringify(line)}\n`).join('') }
  const fetch = () => assert.fail('nothing is asked')
  const crypto = { sha256: () => new Uint8Array(32), verify: () => true }
  const { run } = createStubTerminal({ fetch, files, parts: { crypto } })
  const { exitCode, out, err } = await run('sla', 'recompute', 'october.jsonl')
  assert.equal(exitCode, 0, out + err)
  return out
}
