/** Whatever a release has written, every later one reads, and comes to the same state. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventTypes, JournalRecord, readRecord } from '#coordinator/coordinator-events.ts'
import { goldenJournals, replayed, stateText } from './golden-journals.ts'

const journals = await goldenJournals()
const anew = 'node test/golden/write-golden-journal.ts'

for (const { name, payloads, expectedState } of journals) {
  test(`${name} replays to the state that it came to`, () => {
    const found = stateText(replayed(payloads))
    assert.equal(found, expectedState, `only a change of the state's shape may change it; then: ${anew}`)
  })

  test(`${name} is read at the quick as its schema reads it`, () => {
    for (const payload of payloads) {
      const { events } = readRecord(payload)
      // What an older program left out is filled in.
      assert.deepEqual(JournalRecord.shape.events.encode(events).length, events.length)
      for (const event of events) assert.ok(eventTypes.includes(event.type))
    }
  })
}

test('every type of event has an entry in the journal of some release', () => {
  const seen = new Set<string>()
  for (const { payloads } of journals) {
    for (const payload of payloads) for (const { type } of readRecord(payload).events) seen.add(type)
  }
  const missing = eventTypes.filter((type) => !seen.has(type))
  assert.deepEqual(missing, [], `add a step to test/golden/golden-history.ts, then: ${anew}`)
})

test('an event of an older form is read in the form of today', () => {
  const old = journals
    .flatMap(({ payloads }) => payloads)
    .find((payload) => {
      const { events } = JSON.parse(payload) as { events: { type: string; atMs?: number }[] }
      return events.some((event) => event.type === 'usage.recorded' && event.atMs === undefined)
    })
  assert.ok(old, 'the golden journal has a bill of the first release')
  const { atMs, events } = readRecord(old)
  const bill = events.find((event) => event.type === 'usage.recorded')
  assert.equal(bill?.atMs, atMs)
})
