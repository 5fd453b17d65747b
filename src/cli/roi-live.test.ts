import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHourBook } from '#agent/energy/hour-book.ts'
import { ownHistoryOf } from '#agent/energy/own-history.ts'
import type { HourRecord } from '#host/energy-store.ts'
import { readDataFiles } from '#host/node/data-files.ts'
import { HOUR_MS } from '#kernel/time.ts'
import { createStubTerminal } from './stub-context.ts'
import { STUB_NOW_MS } from './stub-network.ts'

test('after some days the node is believed before any assumption, and each line says since when', async () => {
  const { out, exitCode } = await live({ days: 9 }, '--gpu', 'RTX 4090')
  assert.equal(exitCode, 0)
  assert.match(out, /energy\.sqlite: 9\.0 days on record, since 2026-11-13\. .* at the plug\./)
  assert.match(
    out,
    /power at work, at the wall 521 W 480 W measured 4\.5 days at work, at the plug since 2026-11-13/,
  )
  assert.match(out, /rented share of all hours 50 % 50 % measured 9\.0 days on record since 2026-11-13/)
  assert.match(out, /price of electricity 0\.3 USD\/kWh 0\.3 USD\/kWh measured/)
  // The report itself counts with them.
  assert.match(
    out,
    /power at work, at the wall 480 W --watts measured, 2026-11-22: this node: 4\.5 days at work/,
  )
  assert.match(out, /network's part of the rent 5 % --take measured/)
})

test('a forecast out of the first days is held against what came, with its error', async () => {
  const { out } = await live({ days: 9 }, '--gpu', 'RTX 4090')
  for (const day of [3, 7])
    assert.match(
      out,
      new RegExp(
        `Made of its record up to day ${day} \\(2026-11-(16|20)\\).*? income, after fees \\$[\\d.]+ \\$[\\d.]+ [+-]?0 %`,
      ),
    )
  assert.match(out, /Without the record: .*? income, after fees \$3\.03 \$1\.37 \+121 %/)
})

test('what the node earned is what the forecast counts, however full its slots were', async () => {
  const { out } = await live({ days: 9 }, '--gpu', 'RTX 4090', '--payout-fee', '0', '--json')
  const { account, live: history } = JSON.parse(out)
  assert.ok(Math.abs(account.revenueUsdPerDay / history.actual.incomeUsd - 1) < 1e-9)
  assert.ok(Math.abs(account.energyKwhPerDay / history.actual.energyKwh - 1) < 1e-6)
})

test('too little on record is said, with when it will do, and nothing of it counts', async () => {
  const { out } = await live({ days: 1 }, '--gpu', 'RTX 4090', '--kwh', '0.3')
  assert.match(out, /That is too little to be believed: 24 h of 3\.0 days\. From about 2026-11-24 on/)
  assert.match(out, /power at work, at the wall 521 W 480 W assumed 24 h of 3\.0 days on record/)
  assert.match(out, /power at work, at the wall 521 W --watts assumed/)
  assert.match(out, /can be held against what came after it from about 2026-11-25 on/)
  const { out: none } = await live({ days: 0 }, '--gpu', 'RTX 4090', '--kwh', '0.3')
  assert.match(none, /has nothing on record yet: everything below rests on assumptions/)
})

test('without a plug the watts stay assumed, and the energy is called a lower bound', async () => {
  const { out } = await live({ days: 9, basis: 'parts' }, '--gpu', 'RTX 4090')
  assert.match(out, /alone: a lower bound/)
  assert.match(
    out,
    /power at work, at the wall 521 W 480 W assumed only the GPUs and the CPU measure themselves/,
  )
})

test('on a machine without a known GPU its record is shown all the same', async () => {
  const { out } = await live({ days: 9 })
  assert.match(out, /No driver tells of a GPU in this machine.*--gpu/)
  assert.match(out, /rented share of all hours – 50 % measured/)
  assert.doesNotMatch(out, /NaN|undefined|null/)
})

test('where no node can run there is no record', async () => {
  const { run } = createStubTerminal({
    fetch: () => assert.fail('nothing is asked of a network'),
    dataFiles: readDataFiles,
  })
  const { exitCode, err } = await run('roi', '--live', '--gpu', 'RTX 4090')
  assert.equal(exitCode, 1)
  assert.match(err, /no record of one/)
})

/** `shoal roi --live` beside the record of a node that works every other hour, in lines that run on. */
async function live(record: { days: number; basis?: 'plug' | 'parts' }, ...options: string[]) {
  const hours = hoursOf(record)
  const { run } = createStubTerminal({
    fetch: () => assert.fail('nothing is asked of a network'),
    dataFiles: readDataFiles,
    parts: {
      ownHistory: async ({ dataFolder, nowMs, historyDays, gpuCount }) =>
        ownHistoryOf(
          {
            hours: ({ fromMs, toMs }) => hours.filter(({ hourMs }) => hourMs >= fromMs && hourMs < toMs),
            firstHourMs: () => hours[0]?.hourMs ?? null,
          },
          { place: `${dataFolder}/energy.sqlite`, nowMs, historyDays, gpuCount },
        ),
    },
  })
  const { out, ...rest } = await run('roi', '--live', ...options)
  return { ...rest, out: options.includes('--json') ? out : out.replaceAll(/\s+/g, ' ') }
}

function hoursOf({ days, basis = 'plug' }: { days: number; basis?: 'plug' | 'parts' }): HourRecord[] {
  const book = createHourBook(() => ({ usdPerKwh: 0.3, source: '--kwh' }))
  for (let index = 0; index < days * 24; index++) {
    const fromMs = STUB_NOW_MS - (days * 24 - index) * HOUR_MS
    const stretch = { fromMs, toMs: fromMs + HOUR_MS }
    const isBusy = index % 2 === 0
    const busyMs = isBusy ? HOUR_MS : 0
    const work = { elapsedMs: HOUR_MS, busyMs, slotMs: 2 * busyMs, jobs: [] }
    const watts = isBusy ? 480 : 95
    book.addTime(stretch, { state: 'serving', work, power: { watts, basis, quality: 'measured' } })
    const source = basis === 'plug' ? 'plug' : 'gpu'
    book.addEnergy({ ...stretch, source, quality: 'measured', isDetail: false, joules: watts * 3_600 })
    // Of each hour at work 0.6 are sold, at 0.20 USD.
    if (isBusy) book.addJob({ ...job, endedAtMs: fromMs, soldGpuHours: 0.6 })
  }
  return [...(book.take()?.hours ?? [])]
}

const job = {
  requestId: 'req_1',
  model: 'guide',
  startedAtMs: 0,
  outcome: 'completed',
  promptTokens: 1,
  completionTokens: 1,
  expectedGross: 120_000_000n,
  expectedFee: 6_000_000n,
  joules: null,
  isLowerBound: false,
} as const
