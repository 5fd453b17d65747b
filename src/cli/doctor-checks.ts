/** What may be wrong with this machine for Shoal, each with the fix. The command that prints them is `doctor.ts`. */
import { fileURLToPath } from 'node:url'
import type { Clock, Crypto } from '#host/host.ts'
import type { Machine } from '#host/machine.ts'
import { probeGpus } from '#host/probe-gpus.ts'
import { MINUTE_MS } from '#kernel/time.ts'
import { missingParts } from './system-parts.ts'

export interface Check {
  readonly name: string
  /** `fail`: Shoal does not work like this. `warn`: it works, but for what `found` says. */
  readonly status: 'ok' | 'warn' | 'fail'
  readonly found: string
  /** What to do about it; `null` when all is well. */
  readonly fix: string | null
}

export interface DoctorDeps {
  readonly machine: Machine
  readonly clock: Pick<Clock, 'nowMs'>
  readonly crypto: Pick<Crypto, 'sha256'>
  /** Where `package.json` and `node_modules` are. */
  readonly rootFolder: string
  readonly dataFolder: string
  readonly port: number
}

/** Every check, in the order in which one would mend them. Never rejects. */
export async function runDoctor(deps: DoctorDeps): Promise<readonly Check[]> {
  const { machine } = deps
  const groups = await Promise.all([
    checkNode(machine),
    checkPackages(deps),
    checkClock(deps.clock),
    checkCpu(machine),
    checkMemory(machine),
    checkFolder(deps),
    checkDisk(deps),
    checkPort(deps),
    checkEngine(deps),
    checkGpus(deps),
    checkSystemParts(machine),
  ])
  return groups.flat()
}

const ok = (name: string, found: string): Check => ({ name, status: 'ok', found, fix: null })
const warn = (name: string, found: string, fix: string): Check => ({ name, status: 'warn', found, fix })
const fail = (name: string, found: string, fix: string): Check => ({ name, status: 'fail', found, fix })

export const NODE_MAJOR_MIN = 24

export function checkNode(machine: Pick<Machine, 'facts'>): Check {
  const { nodeVersion, nodePath } = machine.facts()
  const found = `${nodeVersion} at ${nodePath}`
  if (Number.parseInt(nodeVersion, 10) >= NODE_MAJOR_MIN) return ok('Node', found)
  return fail(
    'Node',
    found,
    `Shoal needs Node ${NODE_MAJOR_MIN} or newer. Start it with "npm start", which brings its own.`,
  )
}

/** Compares with the stamp that `bootstrap.mjs` leaves after an installation. */
export function checkPackages(deps: Pick<DoctorDeps, 'machine' | 'crypto' | 'rootFolder'>): Check {
  const read = (name: string) => deps.machine.readFile(`${deps.rootFolder}/${name}`)
  const stamp = read('node_modules/.shoal-stamp')
  const fix = `Run "npm install" in ${deps.rootFolder}; "npm start" and "npm test" do it by themselves.`
  if (stamp === null) return warn('Packages', 'not known to be complete: no stamp of an installation', fix)
  const digest = deps.crypto.sha256((read('package.json') ?? '') + (read('package-lock.json') ?? ''))
  const isFresh = stamp.trim() === Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return isFresh
    ? ok('Packages', 'as package.json and package-lock.json say')
    : warn('Packages', 'package.json or package-lock.json changed since they were installed', fix)
}

const YEAR_2025_MS = 1_735_689_600_000
const YEAR_2100_MS = 4_102_444_800_000

export function checkClock(clock: Pick<Clock, 'nowMs'>): Check {
  const nowMs = clock.nowMs()
  const found = new Date(nowMs).toISOString()
  if (nowMs >= YEAR_2025_MS && nowMs < YEAR_2100_MS) return ok('Clock', found)
  return fail(
    'Clock',
    found,
    'Bills and certificates need the right time: switch on time synchronisation (timedatectl set-ntp true).',
  )
}

export function checkCpu(machine: Pick<Machine, 'facts'>): Check {
  const { cores, cpuModel } = machine.facts()
  const found = `${cores} ${cores === 1 ? 'core' : 'cores'}, ${cpuModel}`
  if (cores >= 2) return ok('CPU', found)
  return warn(
    'CPU',
    found,
    'The network and an engine share one core: give it two or more, or run the agent on another machine.',
  )
}

const MEMORY_MIB_MIN = 1024
const MEMORY_MIB_GOOD = 2048

export function checkMemory(machine: Pick<Machine, 'facts'>): Check {
  const { memoryMib, freeMemoryMib } = machine.facts()
  const found = `${gib(memoryMib)} GiB, ${gib(freeMemoryMib)} GiB free`
  const fix = `A whole network with its demo model takes about 1 GiB: give it ${gib(MEMORY_MIB_GOOD)} GiB, or end other programs.`
  if (memoryMib < MEMORY_MIB_MIN) return fail('Memory', found, fix)
  return freeMemoryMib < MEMORY_MIB_MIN || memoryMib < MEMORY_MIB_GOOD
    ? warn('Memory', found, fix)
    : ok('Memory', found)
}

const gib = (mib: number): string => (mib / 1024).toFixed(1)

export async function checkFolder(deps: Pick<DoctorDeps, 'machine' | 'dataFolder'>): Promise<Check> {
  const state = await deps.machine.folderState(deps.dataFolder)
  if (state.isWritable) return ok('Data folder', deps.dataFolder)
  const reasons = {
    read_only: 'is on a disk that is mounted read-only',
    no_permission: 'may not be written by this user',
    not_a_folder: 'is, or lies below, a file',
    failed: 'cannot be looked at',
  } satisfies Record<typeof state.reason, string>
  return fail(
    'Data folder',
    `${deps.dataFolder} ${reasons[state.reason]}`,
    'Choose another folder with --data DIR.',
  )
}

const DISK_MIB_MIN = 512
const DISK_MIB_GOOD = 5 * 1024

export async function checkDisk(deps: Pick<DoctorDeps, 'machine' | 'dataFolder'>): Promise<Check> {
  const freeMib = await deps.machine.diskFreeMib(deps.dataFolder)
  const fix =
    'Free some space, or choose a folder on another disk with --data DIR. A model of 7 billion parameters takes about 5 GiB.'
  if (freeMib === null) return warn('Disk', `the free space of ${deps.dataFolder} cannot be read`, fix)
  const found = `${gib(freeMib)} GiB free`
  if (freeMib < DISK_MIB_MIN) return fail('Disk', found, fix)
  return freeMib < DISK_MIB_GOOD ? warn('Disk', found, fix) : ok('Disk', found)
}

export async function checkPort(deps: Pick<DoctorDeps, 'machine' | 'port'>): Promise<Check> {
  const state = await deps.machine.portState(deps.port)
  if (state === 'free') return ok('Port', `${deps.port} is free`)
  if (state === 'forbidden')
    return fail('Port', `this user may not listen on ${deps.port}`, 'Choose a port above 1023 with --port N.')
  return warn(
    'Port',
    `${deps.port} is taken`,
    'All is well if that is Shoal itself. If not, end the other program or choose a port with --port N.',
  )
}

// With this module's own ending: the published package holds `.js`.
const LOAD_ENGINE = fileURLToPath(import.meta.url.replace(/doctor-checks(\.\w+)$/, 'load-engine-main$1'))

export async function checkEngine(deps: Pick<DoctorDeps, 'machine' | 'rootFolder'>): Promise<Check> {
  const { nodePath } = deps.machine.facts()
  const options = { timeoutMs: MINUTE_MS, folder: deps.rootFolder }
  const result = await deps.machine.run(nodePath, [LOAD_ENGINE], options)
  const fix = `Run "npm install" in ${deps.rootFolder}. Where the built-in engine has no build for the machine, serve models by another one (vLLM, Ollama, llama-server).`
  if (result === 'timed_out') return fail('Engine', 'llama.cpp did not load within a minute', fix)
  if (result === 'not_found') return fail('Engine', `${nodePath} does not start`, fix)
  if (result.code === 0) return ok('Engine', 'llama.cpp loads')
  const error =
    result.stderr.split('\n').find((line) => /error/i.test(line)) ?? result.stderr.split('\n')[0] ?? ''
  return fail('Engine', `llama.cpp does not load (code ${result.code}): ${error.trim()}`, fix)
}

export async function checkGpus(deps: Pick<DoctorDeps, 'machine' | 'rootFolder'>): Promise<readonly Check[]> {
  const { gpus, problems } = await probeGpus(deps.machine)
  if (gpus.length === 0 && problems.length === 0) return [ok('GPU', 'none: engines run on the CPU')]
  const found = gpus.map((gpu): Check => {
    const name = `GPU ${gpu.index}`
    const what = `${gpu.name}, ${gib(gpu.vramMib)} GiB${gpu.driver === null ? '' : `, driver ${gpu.driver}`}`
    return gpu.unhealthyReason === null
      ? ok(name, what)
      : warn(name, `${what}: not used`, gpu.unhealthyReason)
  })
  const told = problems.map((problem) => warn('GPU driver', 'not all is well', problem))
  const isUsable = gpus.some((gpu) => gpu.healthy && gpu.vendor === 'nvidia')
  return [...found, ...told, ...(isUsable ? [checkGpuEngine(deps)] : [])]
}

/** The engine's packages for GPUs weigh half a GB, so that an installation leaves them out until they are wanted. */
export function checkGpuEngine({ machine, rootFolder }: Pick<DoctorDeps, 'machine' | 'rootFolder'>): Check {
  const { platform, arch } = machine.facts()
  const name = `@node-llama-cpp/${platform === 'win32' ? 'win' : platform}-${arch}-cuda`
  const text = machine.readFile(`${rootFolder}/node_modules/${name}/package.json`)
  if (text?.includes(`"${name}"`)) return ok('GPU engine', 'llama.cpp for CUDA is installed')
  return warn(
    'GPU engine',
    'llama.cpp is installed for the CPU only',
    `Take the lines of @node-llama-cpp/*cuda* out of "overrides" in package.json and run "npm install", or serve the GPU by another engine (vLLM, Ollama, llama-server).`,
  )
}

export async function checkSystemParts(machine: Pick<Machine, 'run'>): Promise<readonly Check[]> {
  const missing = await missingParts(machine)
  if (missing.length === 0) return [ok('System parts', 'all there')]
  return missing.map((part) =>
    warn(part.package, `not installed: ${part.why}`, `Run "npm run setup". Without it: no ${part.neededBy}.`),
  )
}
