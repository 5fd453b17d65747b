import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createNodeMachine } from '#host/node/node-machine.ts'
import { Problem } from '#protocol/problem.ts'
import { createRecordedMachine, type Recording } from '#sim/recorded-machine.ts'
import type { DoctorDeps, DoctorRole } from './doctor-check.ts'
import { runDoctor } from './doctor-checks.ts'
import { checkEngine } from './doctor-engine.ts'
import { systemParts } from './system-parts.ts'

const NOW_MS = Date.UTC(2026, 10, 22)
const WSL_1 = 'Linux version 4.4.0-19041-Microsoft (Microsoft@Microsoft.com) (gcc version 5.4.0)'
const WSL_2 = 'Linux version 5.15.167.4-microsoft-standard-WSL2 (root@f9c8) (gcc 11.2.0)'
const CUDA_13 = ['libcuda.so.1', 'libcudart.so.13', 'libcublas.so.13']
const libraries = (...names: readonly string[]): string =>
  names.map((name) => `\t${name} (libc6,x86-64) => /lib/${name}\n`).join('')

/** A clone, whose packages were never installed. */
const clone = {
  '/shoal/bootstrap.mjs': '',
  '/shoal/package.json': '{}',
  '/shoal/package-lock.json': '{"lock": 1}',
}
const rendering = { blender: 'Blender 3.4.1\n', bwrap: 'prlimit from util-linux 2.38.1\n' }
/** An installed package that wants hono 4.1.0, beside these packages. */
const packaged = (beside: Readonly<Record<string, string>>): Record<string, string> => ({
  '/shoal/package.json': '{"version": "1.2.3", "dependencies": {"hono": "4.1.0"}}',
  ...Object.fromEntries(
    Object.entries(beside).map(([name, version]) => [
      `/node_modules/${name}/package.json`,
      JSON.stringify({ name, version }),
    ]),
  ),
})

test('a machine where all is well has no fix to offer', async () => {
  const { checks } = await setup({ commands: { ...rendering, ffmpeg: 'ffmpeg version 5.1.9 Copyright' } })
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
      'Open files',
      'Data folder',
      'Disk',
      'Port',
      'Engine',
      'GPU',
      'Rendering',
    ],
  )
})

test('a machine that cannot render is told why, and what would change that', async () => {
  const of = async (commands: Recording['commands']) => {
    const { checks } = await setup({ commands: { ffmpeg: { code: 1 }, ...commands } })
    const { status, found, fix } = checks.find(({ name }) => name === 'Rendering') ?? {}
    return [status, found, fix]
  }
  assert.deepEqual(await of(rendering), ['ok', 'Blender 3.4.1 in a sandbox, no ffmpeg: no videos', null])
  const [status, , install] = await of({})
  assert.equal(status, 'note')
  assert.match(String(install), /apt-get install --no-install-recommends blender bubblewrap/)
  const { bwrap: _, ...noBox } = rendering
  assert.match(String((await of(noBox))[2]), /there is no bubblewrap/)
  const refused = {
    ...rendering,
    bwrap: { code: 1, stderr: 'bwrap: No permissions to create new namespace' },
  }
  const [warned, , why] = await of(refused)
  assert.equal(warned, 'warn')
  assert.match(String(why), /cannot make a sandbox here \(bwrap: No permissions .*unprivileged_userns_clone/)
})

const wrong: [name: string, recording: Recording, status: 'warn' | 'fail', found: RegExp, fix: RegExp][] = [
  ['Node', { facts: { nodeVersion: '20.20.2' } }, 'fail', /20\.20\.2/, /Node 24/],
  ['Packages', { files: clone }, 'warn', /no stamp/, /npm install/],
  [
    'Packages',
    { files: { ...clone, '/shoal/node_modules/.shoal-stamp': '00' } },
    'warn',
    /changed/,
    /npm install/,
  ],
  ['Packages', { files: {} }, 'fail', /package\.json is damaged/, /Install Shoal again/],
  ['Packages', { files: packaged({}) }, 'fail', /hono is missing/, /npm install \.\/shoal-1\.2\.3\.tgz$/],
  ['Packages', { files: packaged({ hono: '4.0.0' }) }, 'fail', /hono is 4\.0\.0, not 4\.1\.0/, /again/],
  ['Windows', { files: { ...clone, '/proc/version': WSL_1 } }, 'fail', /WSL 1/, /wsl --set-version/],
  ['Open files', { commands: { 'sh -c ulimit -Hn': '1024\n' } }, 'warn', /1024/, /LimitNOFILE/],
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
  [
    'GPU driver',
    {
      files: {
        ...clone,
        '/sys/bus/pci/devices/0/vendor': '0x10de\n',
        '/sys/bus/pci/devices/0/class': '0x030000\n',
      },
    },
    'warn',
    /not all/,
    /install the NVIDIA driver/,
  ],
  [
    'GPU engine',
    { commands: { 'nvidia-smi': golden('nvidia-one.csv'), ldconfig: libraries(...CUDA_13) } },
    'warn',
    /the cuda build \(181 MB\) is not installed/,
    /shoal engine install cuda/,
  ],
  [
    'GPU engine',
    { commands: { 'nvidia-smi': golden('nvidia-one.csv'), ldconfig: libraries() } },
    'fail',
    /the vulkan build needs libvulkan\.so\.1/,
    /apt-get install libvulkan1/,
  ],
  [
    'GPU engine',
    { commands: { 'nvidia-smi': golden('nvidia-one.csv') }, facts: { arch: 'arm64' } },
    'warn',
    /no build for GPUs on linux-arm64/,
    /--upstream/,
  ],
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
    const { checks } = await setup({}, { nowMs })
    assert.equal(checks.find((check) => check.name === 'Clock')?.status, 'fail')
  }
})

test('a build for GPUs that is installed is loaded from where it lies, and told of when it does not load', async () => {
  const place = '/home/ada/.shoal/engines/llama-cpp-3.22.1-cuda'
  const name = '@node-llama-cpp/linux-x64-cuda'
  const recording: Recording = {
    commands: {
      'nvidia-smi': golden('nvidia-one.csv'),
      ldconfig: libraries(...CUDA_13),
      '/usr/bin/node': ['', { code: 1, stderr: 'error: it has no build that works\n' }],
    },
    files: {
      ...clone,
      [`${place}/node_modules/${name}/package.json`]: `{"name": "${name}", "version": "3.22.1"}`,
    },
  }
  const { checks, ran } = await setup(recording)
  assert(ran.some((line) => line.endsWith(`load-engine-main.ts cuda ${place}`)))
  const check = checks.find((candidate) => candidate.name === 'GPU engine')
  assert.deepEqual([check?.status, check?.fix?.includes('nvidia-smi')], ['fail', true])
})

test('no role is told of what it does not need', async () => {
  const bare: Recording = { commands: { sh: { code: 127 }, 'sh -c ulimit -Hn': '20000\n' } }
  const told = async (role: DoctorRole) =>
    (await setup(bare, { role })).checks.filter(({ status }) => status !== 'ok').map(({ name }) => name)
  assert.deepEqual(await told('up'), ['Rendering'])
  assert.deepEqual(await told('provide'), ['Rendering'])
  assert.deepEqual(await told('operate'), ['postgresql', 'nats-server', 'nginx-light'])
  assert.deepEqual(
    await told('test'),
    systemParts.map((part) => part.package),
  )
  const { checks } = await setup(bare, { role: 'provide' })
  assert(!checks.some(({ name }) => name === 'Port'))
})

test('a port that the network of this data folder has is fine; another program on it is told', async () => {
  const credentials = (port: number) => {
    const apiUrl = `http://127.0.0.1:${port}`
    return JSON.stringify({ apiUrl, openaiBaseUrl: `${apiUrl}/v1`, apiKey: 'k' })
  }
  const health = {
    status: 'ok',
    version: '0.1.0',
    networkName: 'local',
    epoch: 1,
    uptimeMs: 5,
    role: 'leader',
  }
  const portLine = async (text: string | null, answer: () => Promise<Response>) => {
    const files = { ...clone, ...(text !== null && { '/home/ada/.shoal/credentials.json': text }) }
    const { checks } = await setup({ takenPorts: [7420], files }, { fetch: answer })
    return checks.find(({ name }) => name === 'Port')
  }
  const answers = async () => Response.json(health)
  const own = await portLine(credentials(7420), answers)
  assert.deepEqual([own?.status, own?.found], ['ok', '7420 is in use by this network, "local", which runs'])
  const others: readonly (readonly [string | null, () => Promise<Response>])[] = [
    [credentials(7420), async () => new Response('<html>')],
    [credentials(7420), async () => Response.json({ status: 'ok' })],
    [credentials(7420), () => Promise.reject(new Error('reset'))],
    [credentials(7421), () => assert.fail('it listens elsewhere')],
    ['{', () => assert.fail('nothing is known')],
    [null, () => assert.fail('nothing is known')],
  ]
  for (const [text, answer] of others) assert.equal((await portLine(text, answer))?.status, 'warn')
})

test('a clock that differs from that of the network fails, one that agrees is said to', async () => {
  for (const [aheadMs, status] of [
    [0, 'ok'],
    [20_000, 'ok'],
    [-20_000, 'ok'],
    [90_000, 'fail'],
    [-90_000, 'fail'],
  ] as const) {
    const date = new Date(NOW_MS - aheadMs).toUTCString()
    const fetch = async () => new Response(null, { headers: { date } })
    const { checks } = await setup({}, { networkUrl: 'https://shoal.example', fetch })
    assert.equal(checks.find(({ name }) => name === 'Network')?.status, status)
  }
  const fetch = () => Promise.reject(new Error('away'))
  const { checks } = await setup({}, { networkUrl: 'https://shoal.example', fetch })
  assert.equal(checks.find(({ name }) => name === 'Network')?.status, 'warn')
})

test('a network whose certificate is refused answers all the same, and the fix is the refusal’s own', async () => {
  const refusal = new Problem(
    'certificate_refused',
    'By an unknown authority. Give its certificate with --ca FILE.',
  )
  const fetch = () => Promise.reject(refusal)
  const { checks } = await setup({}, { networkUrl: 'https://shoal.example', fetch })
  const line = checks.find(({ name }) => name === 'Network')
  assert.deepEqual(
    [line?.status, line?.found, line?.fix],
    ['fail', 'https://shoal.example shows a certificate that is refused', refusal.message],
  )
})

test('Linux inside Windows is fine, but not with its data on a Windows disk', async () => {
  const files = { ...clone, '/proc/version': WSL_2 }
  const windows = async (dataFolder: string) =>
    (await setup({ files }, { dataFolder })).checks.find(({ name }) => name === 'Windows')?.status
  assert.equal(await windows('/home/ada/.shoal'), 'ok')
  assert.equal(await windows('/mnt/c/shoal'), 'fail')
})

test('a GPU that works is shown', async () => {
  const { checks } = await setup({ commands: { 'nvidia-smi': golden('nvidia-one.csv') } })
  assert.equal(
    checks.find((check) => check.name === 'GPU 0')?.found,
    'NVIDIA GeForce RTX 4090, 24.0 GiB, driver 550.54.14',
  )
})

test('the built-in engine of this installation loads', async () => {
  const rootFolder = join(import.meta.dirname, '../..')
  assert.deepEqual(await checkEngine({ machine: createNodeMachine(), rootFolder }), {
    name: 'Engine',
    status: 'ok',
    found: 'llama.cpp loads',
    neededFor: 'serving models by the built-in engine',
    fix: null,
  })
})

function golden(name: string): string {
  return readFileSync(new URL(`../../test/golden/gpu-probe/${name}`, import.meta.url), 'utf8')
}

const sha256 = (data: Uint8Array | string) => createHash('sha256').update(data).digest()

interface Circumstances extends Partial<Pick<DoctorDeps, 'role' | 'networkUrl' | 'fetch' | 'dataFolder'>> {
  readonly nowMs?: number
}

async function setup(recording: Recording, { nowMs = NOW_MS, ...circumstances }: Circumstances = {}) {
  const machine = createRecordedMachine({
    ...recording,
    commands: {
      '/usr/bin/node': '2\n',
      sh: '/usr/bin/strace\n',
      'sh -c ulimit -Hn': '20000\n',
      ...recording.commands,
    },
    files: recording.files ?? {
      ...clone,
      '/shoal/node_modules/.shoal-stamp': `${sha256('{}{"lock": 1}').toString('hex')}\n`,
    },
  })
  const checks = await runDoctor({
    machine,
    clock: { nowMs: () => nowMs },
    crypto: { sha256 },
    fetch: () => assert.fail('no network was named'),
    rootFolder: '/shoal',
    dataFolder: '/home/ada/.shoal',
    port: 7420,
    role: 'up',
    networkUrl: null,
    ...circumstances,
  })
  return { checks, ran: machine.ran }
}
