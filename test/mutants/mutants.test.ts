import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allMutants as mutants } from './farm-mutants.ts'
import { mutate } from './load-mutant.ts'
import { type Finding, inParallel, runChild } from './run-mutants.ts'

const AT_ONCE = 2
const TIMEOUT_MS = 120_000

test('every planted bug still fits the source, and no two have one name', () => {
  const misfits = mutants.flatMap((mutant) => {
    try {
      mutate(mutant)
      return []
    } catch (error) {
      return [error instanceof Error ? error.message : String(error)]
    }
  })
  assert.deepEqual(
    misfits,
    [],
    'whoever changes code that a bug is planted in changes its text in mutants.ts too',
  )
  assert.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length)
})

test('each planted bug is found on its pinned seeds, by the check that it is planted for; without it they pass', async () => {
  const findings: Finding[] = []
  const escaped: string[] = []
  await inParallel(mutants, AT_ONCE, async ({ name, breaks, found }) => {
    const last = (await runChild(['pinned', name], TIMEOUT_MS)).at(-1)
    if (last?.found && found.test(last.found)) findings.push(last)
    else escaped.push(`${name} (${breaks}): ${last?.found ?? 'nothing was found'}`)
  })
  assert.deepEqual(escaped, [])
  const jobs = findings.map(({ name, seed }) => `${name}:${seed}`)
  const half = Math.ceil(jobs.length / AT_ONCE)
  await inParallel([jobs.slice(0, half), jobs.slice(half)], AT_ONCE, async (some) => {
    const healthy = await runChild(['healthy', ...some], TIMEOUT_MS)
    assert.deepEqual(
      healthy.filter(({ found }) => found !== null),
      [],
    )
    assert.equal(healthy.length, some.length)
  })
})
