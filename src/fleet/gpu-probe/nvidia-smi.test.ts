import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Gpu } from '#protocol/capability.ts'
import { hasMig, nvidiaFields, nvidiaQuery, parseNvidiaSmi, unknownField } from './nvidia-smi.ts'

test('one GPU is read with all that the driver tells', () => {
  const { gpus, problems } = parse('nvidia-one.csv')
  assert.deepEqual(problems, [])
  assert.deepEqual(gpus, [
    {
      index: 0,
      uuid: 'GPU-5c6f1c0e-8f0e-2a9c-3d0f-7b3f0b1f3c55',
      vendor: 'nvidia',
      name: 'NVIDIA GeForce RTX 4090',
      vramMib: 24564,
      vramUsedMib: 1187,
      utilisationPercent: 3,
      powerWatts: 21.87,
      powerLimitWatts: 450,
      temperatureC: 34,
      driver: '550.54.14',
      pcieGeneration: 1,
      pcieLanes: 16,
      mig: null,
      healthy: true,
      unhealthyReason: null,
    },
  ])
})

test('eight GPUs keep their order and their own figures', () => {
  const { gpus, problems } = parse('nvidia-eight.csv')
  assert.deepEqual(problems, [])
  assert.deepEqual(
    gpus.map((gpu) => [gpu.index, gpu.utilisationPercent, gpu.powerWatts]),
    [
      [0, 98, 652.31],
      [1, 97, 648.9],
      [2, 99, 661.07],
      [3, 98, 655.42],
      [4, 0, 71.22],
      [5, 0, 69.85],
      [6, 0, 72.64],
      [7, 0, 70.03],
    ],
  )
  assert(gpus.every((gpu) => gpu.healthy && gpu.vramMib === 81_559))
})

test('broken GPUs stay in the list, unhealthy, each with its reason', () => {
  const { gpus } = parse('nvidia-broken-gpu.csv')
  assert.deepEqual(
    gpus.map((gpu) => [gpu.healthy, gpu.vramMib, gpu.temperatureC]),
    [
      [true, 49_140, 36],
      [false, 49_140, null],
      [false, 0, null],
      [false, 49_140, null],
    ],
  )
  assert.match(
    gpus[1]?.unhealthyReason ?? '',
    /\[GPU requires reset\] for utilization\.gpu.*--gpu-reset -i 1/,
  )
  assert.match(gpus[2]?.unhealthyReason ?? '', /\[Unknown Error\] for memory\.total/)
  assert.match(gpus[3]?.unhealthyReason ?? '', /ERR!/)
})

test('a GPU that fell off the bus is a problem that names its address, and the others are read', () => {
  const { gpus, problems } = parse('nvidia-lost-gpu.csv', 15)
  assert.deepEqual(
    gpus.map((gpu) => gpu.name),
    ['NVIDIA A30'],
  )
  assert.match(problems.join(), /PCI address 0000:65:00\.0 does not answer/)
  const newer = answer('Unable to determine the device handle for GPU0: 0000:3B:00.0: Unknown Error\n', 15)
  assert.match(parseNvidiaSmi(newer).problems.join(), /PCI address 0000:3B:00\.0/)
})

test('memory with uncorrected errors makes a GPU unhealthy', () => {
  assert.match(parse('nvidia-ecc-errors.csv').gpus[0]?.unhealthyReason ?? '', /12 uncorrected errors/)
})

test('a partitioned GPU lists its partitions; one in MIG mode without any is unhealthy', () => {
  const { gpus } = parse('nvidia-mig.csv', 0, 'nvidia-mig-list.txt')
  assert.deepEqual(gpus[0]?.mig, {
    devices: [
      { index: 0, profile: '3g.40gb', uuid: 'MIG-e07a497d-1bb6-5a42-b670-1c33bf55ab6e' },
      { index: 1, profile: '2g.20gb', uuid: 'MIG-a686709d-6dc2-542a-8851-0d2508448c10' },
      { index: 2, profile: '1g.10gb+me', uuid: 'MIG-53864714-0a66-5df2-9007-9268e30d9a72' },
    ],
  })
  assert.equal(gpus[1]?.mig, null)
  assert.deepEqual(
    gpus.map((gpu) => gpu.healthy),
    [true, true, false],
  )
  assert.match(gpus[2]?.unhealthyReason ?? '', /MIG mode without an instance/)
})

test('whether a partitioned GPU has partitions is not judged before they were listed', () => {
  const probe = parse('nvidia-mig.csv')
  assert(hasMig(probe))
  assert(probe.gpus.every((gpu) => gpu.healthy))
  assert(!hasMig(parse('nvidia-one.csv')))
})

test('partitions are read from drivers before 470 too', () => {
  const row = golden('nvidia-ecc-errors.csv').replace('Disabled, 12', 'Enabled, 0')
  const list = answer(golden('nvidia-mig-list-old.txt'))
  const uuids = parseNvidiaSmi(answer(row), nvidiaFields, list).gpus[0]?.mig?.devices.map(
    (device) => device.uuid,
  )
  assert.deepEqual(uuids, [
    'MIG-GPU-e87c1b52-3d94-7a60-b2f8-5a1c9e0d4f36/7/0',
    'MIG-GPU-e87c1b52-3d94-7a60-b2f8-5a1c9e0d4f36/8/0',
  ])
})

test('what a driver does not tell is null, and no fault', () => {
  for (const name of [
    'nvidia-laptop.csv',
    'nvidia-not-supported.csv',
    'nvidia-shared-memory.csv',
    'nvidia-mig-container.csv',
  ]) {
    const { gpus, problems } = parse(name)
    assert.deepEqual([gpus.length, problems, gpus[0]?.healthy], [1, [], true], name)
  }
  assert.equal(parse('nvidia-laptop.csv').gpus[0]?.powerLimitWatts, null)
  assert.equal(parse('nvidia-not-supported.csv').gpus[0]?.powerWatts, null)
  assert.equal(parse('nvidia-not-supported.csv').gpus[0]?.utilisationPercent, null)
  assert.equal(parse('nvidia-shared-memory.csv').gpus[0]?.vramMib, 0)
})

test('each complaint of the driver becomes one sentence that says what to do', () => {
  const cases: [string, number, RegExp][] = [
    ['nvidia-no-devices.txt', 6, /finds no GPU/],
    ['nvidia-driver-mismatch.txt', 18, /restart the machine/],
    ['nvidia-driver-absent.txt', 9, /modprobe nvidia/],
  ]
  for (const [name, code, expected] of cases) {
    const { gpus, problems } = parse(name, code)
    assert.deepEqual(gpus, [], name)
    assert.equal(problems.length, 1, name)
    assert.match(problems[0] ?? '', expected)
  }
})

test('a complaint on stderr, an unknown one and silence are all told', () => {
  const onStderr = {
    code: 12,
    stdout: '',
    stderr: "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system.\n",
  }
  assert.match(parseNvidiaSmi(onStderr).problems.join(), /libnvidia-ml\.so is not/)
  assert.deepEqual(parseNvidiaSmi(answer('Quux failed\n', 255)).problems, ['nvidia-smi says: Quux failed'])
  assert.match(parseNvidiaSmi(answer('', 14)).problems.join(), /code 14/)
})

test('a machine without nvidia-smi has no NVIDIA GPU and no problem; one that hangs has a problem', () => {
  assert.deepEqual(parseNvidiaSmi('not_found'), { gpus: [], problems: [] })
  assert.match(parseNvidiaSmi('timed_out').problems.join(), /hangs/)
})

test('a field that an old driver does not know is named, and the answer without it is read', () => {
  const old = answer(golden('nvidia-unknown-field.txt'), 2)
  assert.equal(unknownField(old), 'mig.mode.current')
  assert.equal(unknownField(answer('', 0)), null)
  assert.equal(unknownField('not_found'), null)
  const fields = nvidiaFields.filter((field) => field !== 'mig.mode.current')
  assert.doesNotMatch(nvidiaQuery(fields).join(), /mig/)
  const row = golden('nvidia-one.csv').replace(', [N/A], [N/A]', ', [N/A]')
  assert.equal(parseNvidiaSmi(answer(row), fields).gpus[0]?.pcieLanes, 16)
})

test('a comma in the name of a GPU moves no other value', () => {
  const row = golden('nvidia-one.csv').replace('GeForce RTX 4090', 'GeForce, RTX 4090')
  const gpu = parseNvidiaSmi(answer(row)).gpus[0]
  assert.deepEqual([gpu?.name, gpu?.vramMib], ['NVIDIA GeForce, RTX 4090', 24_564])
})

test('whatever is printed, what is read fits the schema', () => {
  const hostile =
    '7, GPU-x, ' +
    'N'.repeat(5_000) +
    ', 99999999999999999999, -5, v, 104, -1, 1e9, 99999, 7, 999, Disabled, x\n'
  const gpu = parseNvidiaSmi(answer(hostile)).gpus[0]
  assert.deepEqual(Gpu.parse(gpu), gpu)
  assert.equal(gpu?.utilisationPercent, 100)
  assert.deepEqual([gpu?.vramMib, gpu?.powerWatts, gpu?.temperatureC], [0, null, null])
})

const golden = (name: string): string =>
  readFileSync(new URL(`../../../test/golden/gpu-probe/${name}`, import.meta.url), 'utf8')
const answer = (stdout: string, code = 0) => ({ code, stdout, stderr: '' })
const parse = (name: string, code = 0, migList?: string) =>
  parseNvidiaSmi(
    answer(golden(name), code),
    nvidiaFields,
    migList === undefined ? 'not_found' : answer(golden(migList)),
  )
