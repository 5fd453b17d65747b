import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { LLAMA_CPP_VERSION } from '#host/engine-builds.ts'
import type { CommandOutput, CommandResult } from '#host/machine.ts'
import { createNodeMachine } from '#host/node/node-machine.ts'
import { Problem } from '#protocol/problem.ts'
import { createRecordedMachine, type Recording } from '#sim/recorded-machine.ts'
import { ensureGpuBuild } from './gpu-build.ts'

const CUDA =
  '\tlibcuda.so.1 (libc6) => /a\n\tlibcudart.so.13 (libc6) => /b\n\tlibcublas.so.13 (libc6) => /c\n'

test('a machine without a GPU computes on the CPU, and one with a card but no driver is told why it does', async (t) => {
  const plain = setup(t, { commands: {} })
  assert.equal(await plain.ensure(), false)
  assert.deepEqual([plain.said(), plain.installs], ['', []])
  const pci = '/sys/bus/pci/devices/0000:01:00.0'
  const files = { [`${pci}/vendor`]: '0x10de\n', [`${pci}/class`]: '0x030000\n' }
  const driverless = setup(t, { commands: {}, files })
  assert.equal(await driverless.ensure(), false)
  assert.match(driverless.said(), /no nvidia-smi: install the NVIDIA driver.*computes on the CPU/)
})

test('a missing build is installed, whole, and found the next time', async (t) => {
  const machine = setup(t)
  assert.equal(await machine.ensure(), 'cuda')
  assert.equal(await machine.ensure(), 'cuda')
  assert.equal(machine.installs.length, 1)
  assert.match(machine.installs[0] ?? '', /--ignore-scripts .*@node-llama-cpp\/linux-x64-cuda@[\d.]+$/)
  assert.deepEqual(readdirSync(machine.enginesFolder), [`llama-cpp-${LLAMA_CPP_VERSION}-cuda`])
  assert.match(machine.said(), /installing the engine's cuda build for NVIDIA GeForce RTX 4090 \(181 MB\)/)
})

const refusals: [says: string, input: Parameters<typeof setup>[1], code: string, message: RegExp][] = [
  [
    'it was forbidden',
    { mayInstall: false },
    'engine_missing',
    /is not installed: shoal engine install cuda/,
  ],
  ['its user says no', { answer: 'n' }, 'engine_missing', /is not installed/],
  ['its user goes away', { answer: null }, 'engine_missing', /is not installed/],
  [
    'npm fails',
    { npm: npmError },
    'engine_missing',
    /404 Not Found.*Try again with "shoal engine install cuda"/,
  ],
  ['npm installs nothing', { npm: () => done }, 'engine_missing', /without an error, but it is not there/],
  ['there is no npm', { npm: () => 'not_found' }, 'engine_missing', /no npm on the PATH/],
  ['npm hangs', { npm: () => 'timed_out' }, 'engine_missing', /within half an hour/],
  ['the disk is small', { diskFreeMib: 300 }, 'disk_full', /300 MiB free; .* takes 543/],
  [
    'its libraries are missing',
    { libraries: '' },
    'engine_missing',
    /libvulkan\.so\.1, which this machine has not: apt-get/,
  ],
  [
    'the GPU is broken',
    { smi: golden('nvidia-broken-gpu.csv').split('\n')[1] ?? '' },
    'engine_missing',
    /The GPU does not work/,
  ],
]
for (const [says, input, code, message] of refusals) {
  test(`it ends, with the ways out and nothing left behind, when ${says}`, async (t) => {
    const machine = setup(t, input)
    await assert.rejects(machine.ensure(), (error) => {
      assert(error instanceof Problem)
      assert.equal(error.code, code)
      assert.match(error.message, message)
      return true
    })
    assert.deepEqual(existsSync(machine.enginesFolder) ? readdirSync(machine.enginesFolder) : [], [])
  })
}

test('who says yes at the terminal gets it', async (t) => {
  const machine = setup(t, { answer: '' })
  assert.equal(await machine.ensure(), 'cuda')
  assert.equal(machine.installs.length, 1)
})

const done: CommandOutput = { code: 0, stdout: '', stderr: '' }
function npmError(): CommandOutput {
  return {
    code: 1,
    stdout: '',
    stderr: 'npm error code E404\nnpm error 404 Not Found\nnpm error A log is in /x\n',
  }
}

interface Input extends Recording {
  /** What npm does; without it, what is asked. */
  readonly npm?: (folder: string, names: readonly string[]) => CommandResult
  /** Of the user at the terminal; without it, there is none. */
  readonly answer?: string | null
  readonly mayInstall?: boolean
  readonly libraries?: string
  /** What `nvidia-smi` prints; one GPU that works without it. */
  readonly smi?: string
}

function setup(t: TestContext, input: Input = {}) {
  const home = mkdtempSync(join(tmpdir(), 'shoal-gpu-build-'))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const enginesFolder = join(home, 'engines')
  const recorded = createRecordedMachine({
    commands: { 'nvidia-smi': input.smi ?? golden('nvidia-one.csv'), ldconfig: input.libraries ?? CUDA },
    ...input,
  })
  const installs: string[] = []
  const said: string[] = []
  const machine = {
    ...recorded,
    readFile: (path: string) => recorded.readFile(path) ?? createNodeMachine().readFile(path),
    async run(command: string, args: readonly string[], options: { timeoutMs: number; folder?: string }) {
      if (command !== 'npm') return recorded.run(command, args, options)
      installs.push(args.join(' '))
      const names = args.filter((arg) => arg.startsWith('@'))
      return (input.npm ?? installAll)(options.folder ?? '', names)
    },
  }
  const isTty = 'answer' in input
  const terminal = {
    machine,
    stdin: { isTty, readAll: async () => '', question: async () => input.answer ?? null },
    stderr: { isTty, columns: null, write: (text: string) => void said.push(text) },
  }
  const options = {
    gpu: 'auto',
    enginesFolder,
    rootFolder: join(home, 'shoal'),
    mayInstall: input.mayInstall ?? true,
  } as const
  return {
    ensure: () => ensureGpuBuild(terminal, options),
    said: () => said.join(''),
    installs,
    enginesFolder,
  }
}

function installAll(folder: string, names: readonly string[]): CommandResult {
  for (const spec of names) {
    const [name = '', version = ''] = [
      spec.slice(0, spec.lastIndexOf('@')),
      spec.slice(spec.lastIndexOf('@') + 1),
    ]
    const place = join(folder, 'node_modules', name)
    mkdirSync(place, { recursive: true })
    writeFileSync(join(place, 'package.json'), JSON.stringify({ name, version }))
  }
  return done
}

function golden(name: string): string {
  return readFileSync(new URL(`../../test/golden/gpu-probe/${name}`, import.meta.url), 'utf8')
}
