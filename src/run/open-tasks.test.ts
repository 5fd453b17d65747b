import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Machine } from '#host/machine.ts'
import { createFacts } from './open-tasks.ts'
import type { TasksConfig } from './tasks-config.ts'

test('a node says what it renders on, and of its processor how quick it is beside a GPU', () => {
  const machine = { facts: () => ({ cores: 16, memoryMib: 1_000 }) } as unknown as Machine
  const factsOf = (device: TasksConfig['device'], threads: number | null = null) => {
    const rest = { threads, device, cacheMib: null, askPerHour: 0n, takesCommands: false, onlyAudits: false }
    const known = createFacts(rest, { machine, gpus: [], offered: [] })
    // As it was measured.
    known.speed = 20
    const { speed, device: told, cpuSpeed } = known.facts()
    return [speed, told, cpuSpeed]
  }
  assert.deepEqual(factsOf('CUDA'), [20, 'CUDA', 2])
  assert.deepEqual(factsOf('CUDA', 4), [20, 'CUDA', 0.5])
  assert.deepEqual(factsOf('CPU'), [20, 'CPU', undefined])
})
