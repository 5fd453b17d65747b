import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProvableDevice } from '#protocol/hardware-proof.ts'
import type { ProofWhy } from '#verify/hardware/hardware-events.ts'
import { createOwedProofs } from './owed-proofs.ts'
import type { OpenProof } from './proof-seats.ts'

test('each end of a connection is owed once, and a proof pays for all of them', () => {
  const { note, due, owed } = setup()
  assert.deepEqual(due(), [])
  note()
  note()
  assert.deepEqual(due(), ['cpu random 2'])
  assert.deepEqual(due(), [])
  note()
  assert.deepEqual(due(), ['cpu random 3'])
  owed.paid('a', 'cpu')
  note()
  assert.deepEqual(due(), ['cpu random 1'])
})

test('what the gateway ended is owed, and counts for nothing', () => {
  const { note, due } = setup()
  for (let times = 0; times < 5; times++) note({ isExcused: true })
  assert.deepEqual(due(), ['cpu random 0 excused'])
  note()
  note({ isExcused: true })
  assert.deepEqual(due(), ['cpu random 1 excused'])
})

test('what was asked of all that one owner has stays so, however often it is asked again', () => {
  const { note, due } = setup()
  note({ why: 'owner' })
  note({ why: 'retry' })
  assert.deepEqual(due(), ['cpu owner 2'])
})

test('what a node names no more is forgotten, however many names it takes', () => {
  const { note, due } = setup()
  for (let index = 0; index < 100; index++) note({ deviceId: `made-up-${index}` })
  assert.deepEqual(due(), [])
  assert.deepEqual(due(['made-up-7']), [])
})

function setup() {
  const owed = createOwedProofs()
  const note = (part: { deviceId?: string; why?: ProofWhy; isExcused?: boolean } = {}): void => {
    const device = {
      deviceId: 'cpu',
      deviceClass: 'cpu',
      isPart: false,
      isExcused: false,
      deadlineMs: 60_000,
    }
    const size = { rows: 16, width: 8, rounds: 2 }
    const asked = { challengeId: 'one', seed: new Uint8Array(32), size, saidAtMs: 0, order: null }
    const open: OpenProof = { ...device, ...asked, why: 'random', committed: null, ...part }
    owed.note('a', open)
  }
  const due = (deviceIds: readonly string[] = ['cpu']): string[] => {
    const device = (deviceId: string): ProvableDevice => ({ deviceId, kind: 'cpu', name: '', memoryMib: 0 })
    const devices = new Map(deviceIds.map((deviceId) => [deviceId, device(deviceId)]))
    return owed
      .due({ nodeId: 'a', devices })
      .map(
        ({ deviceId, why, times, isExcused }) => `${deviceId} ${why} ${times}${isExcused ? ' excused' : ''}`,
      )
  }
  return { owed, note, due }
}
