import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createNodeMachine } from '#host/node/node-machine.ts'
import { createRecordedMachine, type Recording } from '#sim/recorded-machine.ts'
import { checkEngine, runDoctor } from './doctor-checks.ts'

test('a machine where all is well has no fix to offer', async () => {
  const { checks } = await setup({})
  assert.deepEqual(
    checks.filter((check) => check.status !== 'ok'),
    [],
  )
  assert.deepEqual(
    checks.map((check) => check.name),
    [
      'Node',
      'Packages',
      'Clock',
      'CPU',
      'Memory',
      'Data folder',
      'Disk',
      'Port',
      'Engine',
      'GPU',
      'System parts',
    ],
  )
})

const wrong: [name: string, recording: Recording, status: 'warn' | 'fail', found: RegExp, fix: RegExp][] = [
  ['Node', { facts: { nodeVersion: '20.20.2' } }, 'fail', /20\.20\.2/, /Node 24/],
  ['Packages', { files: {} }, 'warn', /no stamp/, /npm install/],
  ['Packages', { files: { '/shoal/node_modules/.shoal-stamp': '00' } }, 'warn', /changed/, /npm install/],
  ['CPU', { facts: { cores: 1 } }, 'warn', /1 core,/, /two or more/],
  ['Memory', { facts: { memoryMib: 900, freeMemoryMib: 800 } }, 'fail', /0\.9 GiB/, /2\.0 GiB/],
  ['Memory', { facts: { freeMemoryMib: 500 } }, 'warn', /0\.5 GiB free/, /end other programs/],
  ['Data folder', { folderState: { isWritable: false, reason: 'read_only' } }, 'fail', /read-only/, /--data/],
  [
    'Data folder',
    { folderState: { isWritable: false, reason: 'no_permission' } },
    'fail',
    /this user/,
    /--data/,
  ],
  ['Disk', { diskFreeMib: 100 }, 'fail', /0\.1 GiB/, /--data/],
  ['Disk', { diskFreeMib: 2_000 }, 'warn', /2\.0 GiB/, /--data/],
  ['Disk', { diskFreeMib: null }, 'warn', /cannot be read/, /--data/],
  ['Port', { takenPorts: [7420] }, 'warn', /7420 is taken/, /--port/],
  [
    'Engine',
    { commands: { '/usr/bin/node': { code: 1, stderr: 'x\nError: no such binding\n' } } },
    'fail',
    /no such binding/,
    /npm install/,
  ],
  [
    'Engine',
    { commands: { '/usr/bin/node': { unanswered: 'timed_out' } } },
    'fail',
    /within a minute/,
    /npm install/,
  ],
  [
    'GPU driver',
    { commands: { 'nvidia-smi': { code: 18, stdout: golden('nvidia-driver-mismatch.txt') } } },
    'warn',
    /not all/,
    /restart/,
  ],
  [
    'GPU 1',
    { commands: { 'nvidia-smi': golden('nvidia-broken-gpu.csv') } },
    'warn',
    /A6000.*not used/,
    /--gpu-reset -i 1/,
  ],
  ['GPU engine', { commands: { 'nvidia-smi': golden('nvidia-one.csv') } }, 'warn', /CPU only/, /overrides/],
  ['strace', { commands: { sh: { code: 127 } } }, 'warn', /not installed/, /npm run setup/],
]
for (const [name, recording, status, found, fix] of wrong) {
  test(`${name} ${status}s with the fix when it is found that ${found.source}`, async () => {
    const check = (await setup(recording)).checks.find((candidate) => candidate.name === name)
    assert.equal(check?.status, status)
    assert.match(check?.found ?? '', found)
    assert.match(check?.fix ?? '', fix)
  })
}

test('a clock far in the past or the future fails', async () => {
  for (const nowMs of [0, Date.UTC(2024, 11, 31), Date.UTC(2100, 0, 1)]) {
    const { checks } = await setup({}, nowMs)
    assert.equal(checks.find((check) => check.name === 'Clock')?.status, 'fail')
  }
})

test('a GPU that works and its engine are both shown', async () => {
  const packageJson = '/shoal/node_modules/@node-llama-cpp/linux-x64-cuda/package.json'
  const { checks } = await setup({
    commands: { 'nvidia-smi': golden('nvidia-one.csv') },
    files: { [packageJson]: '{"name": "@node-llama-cpp/linux-x64-cuda"}' },
  })
  assert.equal(
    checks.find((check) => check.name === 'GPU 0')?.found,
    'NVIDIA GeForce RTX 4090, 24.0 GiB, driver 550.54.14',
  )
  assert.equal(checks.find((check) => check.name === 'GPU engine')?.status, 'ok')
})

test('the built-in engine of this installation loads', async () => {
  const rootFolder = join(import.meta.dirname, '../..')
  assert.deepEqual(await checkEngine({ machine: createNodeMachine(), rootFolder }), {
    name: 'Engine',
    status: 'ok',
    found: 'llama.cpp loads',
    fix: null,
  })
})

function golden(name: string): string {
  return readFileSync(new URL(`../../test/golden/gpu-probe/${name}`, import.meta.url), 'utf8')
}

const sha256 = (data: Uint8Array | string) => createHash('sha256').update(data).digest()

async function setup(recording: Recording, nowMs = Date.UTC(2026, 10, 22)) {
  const machine = createRecordedMachine({
    ...recording,
    commands: { '/usr/bin/node': '2\n', sh: '/usr/bin/strace\n', ...recording.commands },
    files: {
      '/shoal/package.json': '{}',
      '/shoal/package-lock.json': '{"lock": 1}',
      ...(recording.files ?? {
        '/shoal/node_modules/.shoal-stamp': `${sha256('{}{"lock": 1}').toString('hex')}\n`,
      }),
    },
  })
  const checks = await runDoctor({
    machine,
    clock: { nowMs: () => nowMs },
    crypto: { sha256 },
    rootFolder: '/shoal',
    dataFolder: '/home/ada/.shoal',
    port: 7420,
  })
  return { checks }
}
