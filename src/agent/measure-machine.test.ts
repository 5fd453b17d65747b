import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createNodeMachine } from '#host/node/node-machine.ts'
import { Capability } from '#protocol/capability.ts'
import { createRecordedMachine } from '#sim/recorded-machine.ts'
import { measureMachine } from './measure-machine.ts'

const options = { dataFolder: '/var/lib/shoal', agentVersion: '0.1.0' }

test('a machine with eight GPUs is measured whole', async () => {
  const machine = createRecordedMachine({
    commands: { 'nvidia-smi': golden('nvidia-eight.csv') },
    facts: { cpuModel: 'INTEL(R) XEON(R) PLATINUM 8558', cores: 192, memoryMib: 2_000_000 },
    diskFreeMib: 7_000_000,
    cpuPowerWatts: 310.5,
  })
  const capability = await measureMachine(machine, options)
  assert.deepEqual(capability.cpu, { model: 'INTEL(R) XEON(R) PLATINUM 8558', cores: 192 })
  assert.deepEqual(
    [capability.gpus.length, capability.memoryMib, capability.diskFreeMib, capability.problems],
    [8, 2_000_000, 7_000_000, []],
  )
  assert.equal(capability.powerWatts, 3211.94)
  assert.deepEqual(Capability.parse(capability), capability)
})

test('power that no part reports is unknown, not zero', async () => {
  assert.equal((await measureMachine(createRecordedMachine(), options)).powerWatts, null)
})

test('what is wrong is told, within the bounds of the schema', async () => {
  const machine = createRecordedMachine({
    commands: {
      'nvidia-smi': {
        code: 255,
        stdout: Array.from({ length: 99 }, (_, n) => `${n} ${'x'.repeat(300)}\n`).join(''),
      },
    },
    facts: { cpuModel: 'C'.repeat(300), osName: 'O'.repeat(300) },
    diskFreeMib: null,
  })
  const capability = await measureMachine(machine, options)
  assert.deepEqual([capability.diskFreeMib, capability.problems.length], [0, 64])
  assert.deepEqual(Capability.parse(capability), capability)
})

test('this very machine can be measured', async () => {
  const capability = await measureMachine(createNodeMachine(), {
    ...options,
    dataFolder: import.meta.dirname,
  })
  assert.deepEqual(Capability.parse(capability), capability)
  assert(capability.cpu.cores >= 1 && capability.memoryMib > 0 && capability.diskFreeMib > 0)
})

const golden = (name: string): string =>
  readFileSync(new URL(`../../test/golden/gpu-probe/${name}`, import.meta.url), 'utf8')
