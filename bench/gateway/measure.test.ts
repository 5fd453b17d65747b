/** The tools really run here, for a moment; what they measure is not looked at. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type LoadResult, type Measurement, measureOnce, measureQuietly, shares } from './measure.ts'
import { startDirect, startUpstreams } from './peers.ts'
import type { Pace } from './target.ts'
import { buildTools } from './tools.ts'

const missing = ['cc', 'taskset'].find((name) => spawnSync(name, ['--version']).status !== 0)
const options = { skip: missing === undefined ? false : `${missing} is not installed` }

test('the load tool reads whole answers and streams of the mock without a mistake', options, async (t) => {
  const { measure } = await setup(t)
  for (const pace of ['whole', 'burst', 'paced'] as const) {
    const { requests, errors, wrongTokens, tokens, total } = await measure(pace)
    assert.deepEqual([errors, wrongTokens], [0, 0])
    if (pace === 'paced') continue // A stream lasts longer than this.
    assert.ok(requests > 0)
    assert.ok(total !== null && total.p50 <= total.p99 && total.p99 <= total.max)
    assert.equal(tokens > 0, pace === 'burst')
  }
})

test('tokens that are not what was asked for are found', options, async (t) => {
  const { measure } = await setup(t)
  const { requests, errors } = await measure('burst', ['tokens=63'])
  assert.ok(requests > 0)
  assert.ok(errors >= requests)
})

test('shares are of one core, and what is not ours is foreign', () => {
  const result = { requests: 100, tokens: 1_000, cpuMicros: 200_000 } as LoadResult
  const before = { atMs: 0, busy: 1_000_000, own: 500_000, measured: 400_000 }
  const after = { atMs: 1_000, busy: 2_500_000, own: 1_700_000, measured: 1_200_000 }
  assert.deepEqual(shares(result, before, after, true), {
    cpuMicrosPerRequest: 8_000,
    cpuMicrosPerToken: 800,
    corePercent: 80,
    foreignPercent: 10,
  })
  const { cpuMicrosPerRequest, corePercent } = shares(result, before, after, false)
  assert.deepEqual([cpuMicrosPerRequest, corePercent], [null, null])
  assert.equal(shares(result, before, { ...after, busy: 1_000_000 }, true).foreignPercent, 0)
})

test('a disturbed measurement is made again, and the least disturbed one counts', async () => {
  const disturbed = (shares: readonly number[]) => {
    const left = [...shares]
    const made = { count: 0 }
    const measure = async () => {
      made.count++
      return { foreignPercent: left.shift() } as Measurement
    }
    return { measure, made }
  }
  for (const [shares, best, count] of [
    [[3], 3, 1],
    [[40, 10, 0], 10, 2],
    [[40, 12, 30], 12, 3],
  ] as const) {
    const { measure, made } = disturbed(shares)
    const { foreignPercent } = await measureQuietly(measure, { tries: 3, foreignPercentMax: 10 })
    assert.deepEqual([foreignPercent, made.count], [best, count])
  }
})

async function setup(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-bench-tools-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const tools = buildTools(folder)
  const upstreams = await startUpstreams(tools.mock)
  t.after(() => upstreams.stop())
  const target = await startDirect(upstreams)
  return {
    measure: (pace: Pace, more: readonly string[] = []): Promise<Measurement> =>
      measureOnce(tools.load, target, { pace, load: ['conns=4', ...more], warmSeconds: 0, seconds: 0.3 }),
  }
}
