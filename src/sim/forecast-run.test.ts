import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fleetNames } from '#economics/fleet/named-fleets.ts'
import { createRandom } from '#kernel/random.ts'
import { auditFleet } from './fleet-audit.ts'
import { drawFleet } from './fleet-profiles.ts'
import { monthPlan, openFleetWorld } from './fleet-run.ts'
import { runForecast } from './forecast-run.ts'
import { MEDIAN_MAX, scoreOf } from './forecast-score.ts'

/** Of the month with 50 nodes that `node bench/forecast.ts` runs, as much as a test has time for. */
const week = { ...monthPlan, nodes: 12, gateways: 1, requestsPerNodeHour: 6, days: 10, forecastDay: 7 }
const moment = { ...monthPlan, nodes: 4, gateways: 1, days: 1.2, forecastDay: 1 }

describe('a network of mixed fleets', () => {
  test('on day 7 nodes forecast what the ledger pays them afterwards, within 15 % in the median', async () => {
    // With half as many requests the median hangs on the seed (3 to 34 %); so it is 11, 14, 14 and 12 % with the first four.
    const { outcomes, bills, statuses } = await runForecast(1, week)
    const { median, nodes, withoutRecord } = scoreOf(outcomes)
    assert.equal(nodes + withoutRecord, week.nodes)
    assert.ok(withoutRecord <= 2, `${withoutRecord} nodes have no record`)
    assert.ok(median <= MEDIAN_MAX, `the median error is ${median}`)
    assert.ok(bills > 10_000 && (statuses[200] ?? 0) <= bills, 'it is paid for by requests')
  })

  test('the same seed is the same run', async () => {
    const [once, again] = [await runForecast(3, moment), await runForecast(3, moment)]
    assert.deepEqual(again, once)
  })

  test('a nano-dollar that no bill explains is found', async () => {
    const fleetWorld = await openFleetWorld(4, moment)
    await fleetWorld.runUntilDay(0.2)
    assert.ok(auditFleet(fleetWorld) > 0)
    const { world, fleet } = fleetWorld
    const [member] = fleet
    assert.ok(world.coordinator && member)
    const account = world.coordinator.state.ledger.accounts.get(`provider:${member.organisationId}`)
    assert.ok(account)
    account.available += 1n
    assert.throws(() => auditFleet(fleetWorld), /its account holds/)
  })

  test('a drawn fleet has every kind of machine by its share', () => {
    const drawn = drawFleet(50, createRandom(1)).map(({ fleet }) => fleet)
    const counts = fleetNames.map((name) => drawn.filter((fleet) => fleet === name).length)
    assert.deepEqual(counts, [5, 25, 15, 5])
  })
})
