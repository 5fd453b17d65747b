import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CoordinatorEvent } from '#coordinator/coordinator-events.ts'
import { readingsInOrder } from './clock.ts'

test('what a gateway counts of its promises is in the order of its readings, and is none of them', () => {
  const events = [reading(1), tallied(2), reading(3), reading(1, 'another'), reading(4)]
  assert.deepEqual(readingsInOrder(events), { count: 4, areOrdered: true })
})

test('a reading that is missing, early or there twice is found out', () => {
  assert.equal(readingsInOrder([reading(1), reading(3)]).areOrdered, false)
  assert.equal(readingsInOrder([reading(2), reading(1)]).areOrdered, false)
  assert.equal(readingsInOrder([reading(1), tallied(2), reading(2)]).areOrdered, false)
  assert.equal(readingsInOrder([reading(2), reading(3)]).areOrdered, false)
})

function reading(sequence: number, spoolId = 'spool'): CoordinatorEvent {
  const record = {
    requestId: `request-${sequence}`,
    keyId: 'key',
    organisationId: 'organisation',
    holdId: 'hold',
    model: 'model',
    parts: [],
  }
  return { type: 'usage.recorded', spoolId, sequence, record, cost: 0n, fee: 0n, transferId: null } as never
}

function tallied(sequence: number): CoordinatorEvent {
  const tally = { gatewayId: 'gateway', run: 'run', refused: [], open: [] }
  return { type: 'sla.tallied', spoolId: 'spool', sequence, tally, atMs: 0 }
}
