import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createRecordedMachine, type Recording } from '#sim/recorded-machine.ts'
import { createGpuPower } from './gpu-power.ts'

test('the power of all GPUs is added up', async () => {
  const { read } = setup({ 'nvidia-smi': '0, GPU-a, NVIDIA A30, 30.5\n1, GPU-b, NVIDIA A30, 100.25\n' })
  assert.deepEqual(await read(), { watts: 130.75, problem: null })
})

test('a GPU that does not tell is named, and not counted', async () => {
  const { read } = setup({ 'nvidia-smi': '0, GPU-a, NVIDIA A30, 30.5\n1, GPU-b, GeForce GT 1030, [N/A]\n' })
  const { watts, problem } = await read()
  assert.equal(watts, 30.5)
  assert.match(problem ?? '', /GPU 1 \(GeForce GT 1030\) does not tell its power/)
})

test('a driver that fails or hangs gives no power, and says why', async () => {
  for (const answer of [
    { code: 9, stdout: readGolden('nvidia-driver-absent.txt') },
    { unanswered: 'timed_out' },
  ] as const) {
    const { watts, problem } = await setup({ 'nvidia-smi': answer }).read()
    assert.equal(watts, null)
    assert.match(problem ?? '', /driver/)
  }
})

test('cards of AMD count too', async () => {
  const { read } = setup({ 'rocm-smi': readGolden('rocm-one-5.json') })
  assert.deepEqual(await read(), { watts: 89, problem: null })
})

test('a machine without GPUs has nothing to tell, and is asked once', async () => {
  const { read, machine } = setup({})
  for (const _ of [1, 2, 3]) assert.deepEqual(await read(), { watts: null, problem: null })
  assert.equal(machine.ran.length, 2)
})

const readGolden = (name: string): string =>
  readFileSync(new URL(`../../../test/golden/gpu-probe/${name}`, import.meta.url), 'utf8')

function setup(commands: NonNullable<Recording['commands']>) {
  const machine = createRecordedMachine({ commands })
  return { machine, read: createGpuPower(machine) }
}
