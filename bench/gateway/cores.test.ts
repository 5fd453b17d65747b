import assert from 'node:assert/strict'
import { test } from 'node:test'
import { busyMicrosIn, cpuMicros, cpuMicrosOf, memoryOf, residentBytes } from './cores.ts'

test('processor time is read behind a name that may hold anything', () => {
  const behind = 'S 1 42 42 0 -1 4194304 100 0 0 0 250 50 7 7 20 0 1 0 100 0 0'
  assert.equal(cpuMicros(`42 (node) ${behind}`), 3_000_000)
  assert.equal(cpuMicros(`42 (a) b (c) 9 9) ${behind}`), 3_000_000)
})

test('a process that is gone has used nothing and holds nothing', () => {
  assert.equal(cpuMicrosOf(2 ** 30), 0)
  assert.equal(memoryOf(2 ** 30), 0)
  assert.equal(residentBytes(''), 0)
})

test('this process has used some time, and holds some memory', { skip: process.platform !== 'linux' }, () => {
  assert.ok(cpuMicrosOf(process.pid) > 0)
  assert.equal(cpuMicrosOf(process.pid, process.pid), 0)
  assert.ok(memoryOf(process.pid) > 1_000_000)
})

test('idle time and waiting for a disk are not busy, stolen time is', () => {
  assert.equal(
    busyMicrosIn('cpu  100 20 30 5000 400 5 6 7 0 0\ncpu0 1 1 1 1 1 1 1 1'),
    (100 + 20 + 30 + 5 + 6 + 7) * 10_000,
  )
})
