import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createRecordedMachine, type Recording } from '#sim/recorded-machine.ts'
import { probeGpus } from './probe-gpus.ts'

test('an ordinary machine without GPUs has none and no problem', async () => {
  assert.deepEqual(await probeGpus(createRecordedMachine()), { gpus: [], problems: [] })
})

test('GPUs of both vendors are found together', async () => {
  const { gpus } = await setup({
    'nvidia-smi': golden('nvidia-one.csv'),
    'rocm-smi': golden('rocm-one-5.json'),
  })
  assert.deepEqual(
    gpus.map((gpu) => gpu.vendor),
    ['nvidia', 'amd'],
  )
})

test('partitions are listed only where a GPU is partitioned', async () => {
  const plain = await setup({ 'nvidia-smi': golden('nvidia-one.csv') })
  assert.equal(plain.machine.ran.filter((line) => line === 'nvidia-smi -L').length, 0)
  const { gpus } = await setup({
    'nvidia-smi': golden('nvidia-mig.csv'),
    'nvidia-smi -L': golden('nvidia-mig-list.txt'),
  })
  assert.equal(gpus[0]?.mig?.devices.length, 3)
})

test('a field that the driver does not know is left out of the next question', async () => {
  const { gpus, machine } = await setup({
    'nvidia-smi': [
      { code: 2, stdout: golden('nvidia-unknown-field.txt') },
      golden('nvidia-one.csv').replace(', [N/A], [N/A]', ', [N/A]'),
    ],
  })
  assert.equal(gpus[0]?.vramMib, 24_564)
  const asked = machine.ran.filter((line) => line.startsWith('nvidia-smi'))
  assert.deepEqual(
    asked.map((line) => line.includes('mig.mode.current')),
    [true, false],
  )
})

test('a driver that refuses the same field for ever is not asked for ever', async () => {
  const { problems, machine } = await setup({
    'nvidia-smi': { code: 2, stdout: golden('nvidia-unknown-field.txt') },
  })
  assert.equal(machine.ran.filter((line) => line.startsWith('nvidia-smi')).length, 2)
  assert.equal(problems.length, 1)
})

test('a tool that hangs is a problem, and the other vendor is still read', async () => {
  const { gpus, problems } = await setup({
    'nvidia-smi': { unanswered: 'timed_out' },
    'rocm-smi': golden('rocm-eight-6.json'),
  })
  assert.equal(gpus.length, 8)
  assert.match(problems.join(), /NVIDIA driver hangs/)
})

test('a card without its driver is told; its audio device and other cards are not', async () => {
  const files = (vendor: string, deviceClass: string) => ({
    '/sys/bus/pci/devices/0000:01:00.0/vendor': `${vendor}\n`,
    '/sys/bus/pci/devices/0000:01:00.0/class': `${deviceClass}\n`,
  })
  const problemsOf = async (vendor: string, deviceClass: string) =>
    (await probeGpus(createRecordedMachine({ files: files(vendor, deviceClass) }))).problems.join()
  assert.match(await problemsOf('0x10de', '0x030200'), /install the NVIDIA driver/)
  assert.match(await problemsOf('0x1002', '0x030000'), /install ROCm/)
  assert.equal(await problemsOf('0x10de', '0x040300'), '')
  assert.equal(await problemsOf('0x1af4', '0x030000'), '')
})

const golden = (name: string): string =>
  readFileSync(new URL(`../../test/golden/gpu-probe/${name}`, import.meta.url), 'utf8')

async function setup(commands: NonNullable<Recording['commands']>) {
  const machine = createRecordedMachine({ commands })
  return { machine, ...(await probeGpus(machine)) }
}
