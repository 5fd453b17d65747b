import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Gpu } from '#protocol/capability.ts'
import { parseRocmSmi } from './rocm-smi.ts'

test('the older key names are read, after a warning that precedes the JSON', () => {
  const { gpus, problems } = parse('rocm-one-5.json')
  assert.deepEqual(problems, [])
  assert.deepEqual(gpus, [
    {
      index: 0,
      uuid: '0x719d230578348e8c',
      vendor: 'amd',
      name: 'AMD INSTINCT MI250 (MCM) OAM AC MBA',
      vramMib: 65_520,
      vramUsedMib: 11,
      utilisationPercent: 10,
      powerWatts: 89,
      powerLimitWatts: 560,
      temperatureC: 32,
      driver: '6.2.4',
      pcieGeneration: null,
      pcieLanes: null,
      mig: null,
      healthy: true,
      unhealthyReason: null,
    },
  ])
})

test('eight GPUs with the newer key names are read in order', () => {
  const { gpus } = parse('rocm-eight-6.json')
  assert.deepEqual(
    gpus.map((gpu) => gpu.index),
    [0, 1, 2, 3, 4, 5, 6, 7],
  )
  assert.equal(gpus[7]?.name, 'AMD Instinct MI300X OAM')
  assert.equal(gpus[7]?.powerWatts, 138)
  assert.equal(gpus[0]?.temperatureC, 35)
  assert.equal(gpus[0]?.vramMib, 196_592)
})

test('numbers without quotes are read; what stands in for a unique id says that it is none', () => {
  const gpu = parse('rocm-apu.json').gpus[0]
  assert.deepEqual([gpu?.vramMib, gpu?.uuid, gpu?.powerWatts], [65_536, 'amd-11131', 6.03])
})

test('a GPU whose memory cannot be read is unhealthy, and the one beside it is not', () => {
  const { gpus } = parse('rocm-broken.json')
  assert.deepEqual(
    gpus.map((gpu) => [gpu.name, gpu.healthy, gpu.temperatureC]),
    [
      ['0x7480', false, null],
      ['AMD Radeon RX 9070 XT', true, 41],
    ],
  )
  assert.match(gpus[0]?.unhealthyReason ?? '', /amdgpu/)
})

test('a missing driver is a problem; a missing tool and a machine without an AMD GPU are none', () => {
  const absent = parseRocmSmi({ code: 1, stdout: '', stderr: golden('rocm-driver-absent.txt') })
  assert.match(absent.problems.join(), /modprobe amdgpu/)
  assert.deepEqual(parse('rocm-no-gpu.txt'), { gpus: [], problems: [] })
  assert.deepEqual(parseRocmSmi('not_found'), { gpus: [], problems: [] })
  assert.match(parseRocmSmi('timed_out').problems.join(), /hangs/)
})

test('an answer that is no JSON is a problem that shows its first line', () => {
  const { problems } = parseRocmSmi({ code: 2, stdout: '', stderr: '\nusage: rocm-smi [-h]\n  more\n' })
  assert.deepEqual(problems, ['rocm-smi failed with code 2: usage: rocm-smi [-h]'])
  assert.deepEqual(parseRocmSmi({ code: 0, stdout: '{"card0": 7, "card1x": {}}', stderr: '' }).gpus.length, 1)
})

test('whatever is printed, what is read fits the schema', () => {
  const card = {
    'Card Series': 'x'.repeat(999),
    'VRAM Total Memory (B)': '9e99',
    'GPU use (%)': '-3',
    'Unique ID': null,
  }
  const gpu = parseRocmSmi({ code: 0, stdout: JSON.stringify({ card9: card }), stderr: '' }).gpus[0]
  assert.deepEqual(Gpu.parse(gpu), gpu)
})

const golden = (name: string): string =>
  readFileSync(new URL(`../../../test/golden/gpu-probe/${name}`, import.meta.url), 'utf8')
const parse = (name: string) => parseRocmSmi({ code: 0, stdout: golden(name), stderr: '' })
