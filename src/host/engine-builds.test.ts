import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createRecordedMachine } from '#sim/recorded-machine.ts'
import {
  type BuildWish,
  buildFolder,
  findBuild,
  LLAMA_CPP_VERSION,
  libraryAdvice,
  planBuild,
  readLibraries,
} from './engine-builds.ts'

const nvidia = { vendor: 'nvidia', healthy: true } as const
const amd = { vendor: 'amd', healthy: true } as const
const DRIVER = 'libcuda.so.1'
const CUDA_13 = ['libcudart.so.13', 'libcublas.so.13']
const CUDA_12 = ['libcudart.so.12', 'libcublas.so.12']
const VULKAN = 'libvulkan.so.1'

const plans: [says: string, wish: Partial<BuildWish>, plan: string, missing: readonly string[]][] = [
  ['no GPU, nothing to plan', { gpus: [] }, 'no_gpu', []],
  ['a broken GPU is none', { gpus: [{ ...nvidia, healthy: false }] }, 'no_gpu', []],
  ['no build for another platform', { platform: 'linux-arm64' }, 'no_build', []],
  ['CUDA 13', { libraries: new Set([DRIVER, ...CUDA_13]) }, 'cuda', []],
  ['CUDA 12 takes its twin too', { libraries: new Set([DRIVER, ...CUDA_12]) }, 'cuda cuda-ext', []],
  ['of both, the newer', { libraries: new Set([DRIVER, ...CUDA_12, ...CUDA_13]) }, 'cuda', []],
  ['half a runtime is none', { libraries: new Set([DRIVER, 'libcudart.so.13', VULKAN]) }, 'vulkan', []],
  ['a driver alone: Vulkan', { libraries: new Set([DRIVER, VULKAN]) }, 'vulkan', []],
  ['a driver without Vulkan', { libraries: new Set([DRIVER]) }, 'vulkan', [VULKAN]],
  ['a runtime without the driver', { libraries: new Set(CUDA_13) }, 'cuda', [DRIVER]],
  ['AMD', { gpus: [amd], libraries: new Set([VULKAN, DRIVER, ...CUDA_13]) }, 'vulkan', []],
  ['what cannot be listed counts as there', { libraries: null }, 'cuda cuda-ext', []],
  ['CUDA by name', { gpus: [], libraries: new Set(), wanted: 'cuda' }, 'cuda', [DRIVER, ...CUDA_13]],
  ['Vulkan by name', { libraries: new Set([VULKAN, ...CUDA_13]), wanted: 'vulkan' }, 'vulkan', []],
]
for (const [says, wish, expected, missing] of plans) {
  test(`the build for this machine: ${says}`, () => {
    const plan = planBuild({
      gpus: [nvidia],
      libraries: new Set(),
      platform: 'linux-x64',
      wanted: 'auto',
      ...wish,
    })
    if (typeof plan === 'string') return assert.equal(plan, expected)
    assert.deepEqual(
      plan.packages,
      expected.split(' ').map((name) => `@node-llama-cpp/linux-x64-${name}`),
    )
    assert.deepEqual(plan.missing, missing)
    assert.equal(libraryAdvice(plan.missing) === null, missing.length === 0)
  })
}

test('a build counts as installed when all its packages are there, in our version and under their own names', () => {
  const plan = {
    build: 'cuda',
    packages: ['@node-llama-cpp/linux-x64-cuda', '@node-llama-cpp/linux-x64-cuda-ext'],
  } as const
  const own = buildFolder('/data/engines', 'cuda')
  const find = (folder: string, name: (wanted: string) => string, version = LLAMA_CPP_VERSION) => {
    const files = plan.packages.map((wanted) => [
      `${folder}/node_modules/${wanted}/package.json`,
      JSON.stringify({ name: name(wanted), version }, null, 2),
    ])
    const machine = createRecordedMachine({ files: Object.fromEntries(files) })
    return findBuild(machine, plan, {
      enginesFolder: '/data/engines',
      rootFolder: '/home/ada/node_modules/shoal',
    })
  }
  const itself = (wanted: string) => wanted
  assert.equal(find(own, itself), own)
  assert.equal(find('/home/ada', itself), '/home/ada')
  assert.equal(find('/home/ada', itself, '3.22.0'), null)
  assert.equal(
    find('/home/ada', () => 'empty-npm-package'),
    null,
  )
  assert.equal(
    find('/home/ada', (wanted) => wanted.replace('-ext', '')),
    null,
  )
  assert.equal(find('/elsewhere', itself), null)
})

test('libraries are read from wherever the system keeps the list, and not known without it', async () => {
  const text =
    '2 libs found in cache\n\tlibcuda.so.1 (libc6,x86-64) => /lib/libcuda.so.1\n\tlibc.so.6 (libc6) => /lib/libc.so.6\n'
  const read = (commands: Record<string, string>) => readLibraries(createRecordedMachine({ commands }))
  assert.deepEqual(await read({ ldconfig: text }), new Set(['libcuda.so.1', 'libc.so.6']))
  assert.deepEqual(await read({ '/sbin/ldconfig': text }), new Set(['libcuda.so.1', 'libc.so.6']))
  assert.equal(await read({}), null)
})

test('the builds are of the version of the engine itself', () => {
  const packageJson = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  assert.equal(packageJson.devDependencies['node-llama-cpp'], LLAMA_CPP_VERSION)
  for (const [name, version] of Object.entries(packageJson.optionalDependencies))
    if (name.startsWith('@node-llama-cpp/')) assert.equal(version, LLAMA_CPP_VERSION, name)
})
