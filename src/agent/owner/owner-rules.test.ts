import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideRest, type OwnerRules, type OwnerSeen, WORKING } from './owner-rules.ts'
import { createParking } from './parking.ts'

const none: OwnerRules = { hours: null, yieldsToOthers: false, idleMinutes: null }
const calm: OwnerSeen = { nowMs: 0, minuteOfDay: 720, othersCpuShare: 0, othersGpuShare: null, idleMs: 0 }

test('without rules it works whatever happens', () => {
  assert.equal(decideRest(none, { ...calm, othersCpuShare: 1 }, WORKING).rest, null)
})

test('hours may pass midnight: it works from the first minute to the one before the last', () => {
  const rules = { ...none, hours: { from: 22 * 60, to: 7 * 60 } }
  const works = [22 * 60 - 1, 22 * 60, 0, 7 * 60 - 1, 7 * 60].map(
    (minuteOfDay) => decideRest(rules, { ...calm, minuteOfDay }, WORKING).rest === null,
  )
  assert.deepEqual(works, [false, true, true, true, false])
  const { rest } = decideRest(rules, calm, WORKING)
  assert.deepEqual(rest, { reason: 'its hours are 22:00 to 07:00', how: 'finish' })
})

test('hours within a day end on that day', () => {
  const rules = { ...none, hours: { from: 60, to: 120 } }
  const works = [59, 60, 119, 120].map(
    (minuteOfDay) => decideRest(rules, { ...calm, minuteOfDay }, WORKING).rest === null,
  )
  assert.deepEqual(works, [false, true, true, false])
})

test('others get the machine at once, and keep it until a minute after they are done', () => {
  const rules = { ...none, yieldsToOthers: true }
  let state = WORKING
  const seen = [
    [0, 0.4],
    [5_000, 0.6],
    [10_000, 0.1],
    [40_000, 0.3],
    [50_000, 0.1],
    [109_999, 0.1],
    [110_000, 0.1],
  ] as const
  const rests = seen.map(([nowMs, othersCpuShare]) => {
    const verdict = decideRest(rules, { ...calm, nowMs, othersCpuShare }, state)
    state = verdict.state
    return verdict.rest?.how ?? null
  })
  assert.deepEqual(rests, [null, ...Array(5).fill('give_back'), null])
})

test('a GPU that others use counts as the processor does, and what is not known does not', () => {
  const rules = { ...none, yieldsToOthers: true }
  assert.ok(decideRest(rules, { ...calm, othersGpuShare: 0.9 }, WORKING).rest)
  assert.equal(decideRest(rules, { ...calm, othersCpuShare: null }, WORKING).rest, null)
})

test('it waits until nobody used the machine for long enough', () => {
  const rules = { ...none, idleMinutes: 10 }
  assert.equal(decideRest(rules, { ...calm, idleMs: 599_999 }, WORKING).rest?.how, 'give_back')
  assert.equal(decideRest(rules, { ...calm, idleMs: 600_000 }, WORKING).rest, null)
})

test('a node that several have parked works once the last of them lets go', () => {
  const told: string[] = []
  const parking = createParking()
  parking.obey(teller(told))
  parking.park('energy', 'dear', 'finish')
  parking.park('energy', 'dear', 'finish')
  parking.park('owner', 'busy', 'give_back')
  parking.unpark('energy')
  parking.unpark('energy')
  parking.unpark('owner')
  assert.deepEqual(told, ['dear finish', 'dear give_back', 'busy give_back', 'works'])
})

test('dear electricity keeps requests away alone; an owner who wants the machine keeps tasks away too', () => {
  const told: string[] = []
  const parking = createParking()
  parking.obey(teller(told))
  parking.park('energy', 'dear', 'tasks_go_on')
  parking.park('owner', 'its hours', 'finish')
  parking.unpark('owner')
  assert.deepEqual(told, ['dear tasks_go_on', 'dear finish', 'dear tasks_go_on'])
})

test('what was wished before there was an agent is done once there is one', () => {
  const told: string[] = []
  const parking = createParking()
  assert.equal(parking.isParked(), false)
  parking.park('owner', 'its hours', 'finish')
  assert.equal(parking.isParked(), true)
  parking.obey(teller(told))
  assert.deepEqual(told, ['its hours finish'])
  parking.unpark('owner')
  assert.deepEqual([parking.isParked(), told.at(-1)], [false, 'works'])
})

const teller = (told: string[]) => ({
  park: (reason: string, how = 'finish') => void told.push(`${reason} ${how}`),
  unpark: () => void told.push('works'),
})
