import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Period } from '#host/energy-store.ts'
import { DAY_MS, HOUR_MS } from '#kernel/time.ts'
import { createHourBook } from './hour-book.ts'
import { ownHistoryOf } from './own-history.ts'

test('figures are those of the last 30 days, and what they are held against was made in the first days', () => {
  const history = historyOf(100, () => true)
  assert.equal(history.calendarHours, 30 * 24)
  assert.deepEqual(
    history.checks.map(({ day, madeAtMs }) => [day, madeAtMs]),
    [3, 7, 14].map((day) => [day, day * DAY_MS]),
  )
})

test('a node that was away for a while is not taken for one that began after it', () => {
  // Off from 30 days ago until 10 days ago.
  const history = historyOf(100, (day) => day < 70 || day >= 90)
  assert.equal(history.calendarHours, 30 * 24)
  assert.equal(history.measured?.availability, 1 / 3)
})

/** A node that serves all day on the days that `isThere` says. */
function historyOf(days: number, isThere: (day: number) => boolean) {
  const book = createHourBook(() => null)
  for (let index = 0; index < days * 24; index++) {
    if (!isThere(Math.floor(index / 24))) continue
    const stretch = { fromMs: index * HOUR_MS, toMs: (index + 1) * HOUR_MS }
    const work = { elapsedMs: HOUR_MS, busyMs: 0, slotMs: 0, jobs: [] }
    book.addTime(stretch, { state: 'serving', work, power: null })
  }
  const all = [...(book.take()?.hours ?? [])]
  const store = {
    hours: ({ fromMs, toMs }: Period) => all.filter(({ hourMs }) => hourMs >= fromMs && hourMs < toMs),
    firstHourMs: () => all[0]?.hourMs ?? null,
  }
  return ownHistoryOf(store, { place: 'energy.sqlite', nowMs: days * DAY_MS, historyDays: 3, gpuCount: 1 })
}
