/** Whether the built-in engine loads here, and for the GPUs of this machine. */
import { fileURLToPath } from 'node:url'
import {
  type BuildPlan,
  findBuild,
  libraryAdvice,
  packagePlatform,
  planBuild,
  readLibraries,
} from '#host/engine-builds.ts'
import type { CommandResult } from '#host/machine.ts'
import { probeGpus } from '#host/probe-gpus.ts'
import { MINUTE_MS } from '#kernel/time.ts'
import type { Gpu } from '#protocol/capability.ts'
import { type Check, type DoctorDeps, fail, gib, isClone, ok, warn } from './doctor-check.ts'

type Deps = Pick<DoctorDeps, 'machine' | 'rootFolder' | 'dataFolder'>

// With this module's own ending: the published package holds `.js`.
const LOAD_ENGINE = fileURLToPath(import.meta.url.replace(/doctor-engine(\.\w+)$/, 'load-engine-main$1'))
const NEEDED_FOR = 'serving models by the built-in engine'
const OTHER_ENGINE = 'Or serve models by another engine (vLLM, Ollama, llama-server): --upstream.'

export async function checkEngine(deps: Pick<DoctorDeps, 'machine' | 'rootFolder'>): Promise<Check> {
  const line = { name: 'Engine', found: 'llama.cpp loads', neededFor: NEEDED_FOR }
  const failure = failureOf(await loadEngine(deps, []))
  if (failure === null) return ok(line)
  const again = isClone(deps)
    ? `Run "npm install" in ${deps.rootFolder}.`
    : `Install Shoal again, with its optional packages: @node-llama-cpp/${packagePlatform(deps.machine.facts())} is one.`
  return fail({ ...line, found: `llama.cpp ${failure}` }, `${again} ${OTHER_ENGINE}`)
}

function loadEngine(
  deps: Pick<DoctorDeps, 'machine' | 'rootFolder'>,
  args: readonly string[],
): Promise<CommandResult> {
  const options = { timeoutMs: MINUTE_MS, folder: deps.rootFolder }
  return deps.machine.run(deps.machine.facts().nodePath, [LOAD_ENGINE, ...args], options)
}

function failureOf(result: CommandResult): string | null {
  if (result === 'timed_out') return 'did not load within a minute'
  if (result === 'not_found') return 'was not tried: Node does not start'
  if (result.code === 0) return null
  const lines = result.stderr.split('\n').filter((line) => line.trim() !== '')
  const error = lines.find((line) => /error/i.test(line)) ?? lines[0] ?? 'without a word'
  return `does not load (code ${result.code}): ${error.trim()}`
}

export async function checkGpus(deps: Deps): Promise<readonly Check[]> {
  const { gpus, problems } = await probeGpus(deps.machine)
  const neededFor = 'computing on a GPU'
  if (gpus.length === 0 && problems.length === 0)
    return [ok({ name: 'GPU', found: 'none: the engine computes on the CPU', neededFor })]
  const found = gpus.map((gpu): Check => {
    const line = { name: `GPU ${gpu.index}`, found: describe(gpu), neededFor }
    return gpu.unhealthyReason === null
      ? ok(line)
      : warn({ ...line, found: `${line.found}: not used` }, gpu.unhealthyReason)
  })
  const told = problems.map((problem) =>
    warn({ name: 'GPU driver', found: 'not all is well', neededFor }, problem),
  )
  const isUsable = gpus.some((gpu) => gpu.healthy)
  return [...found, ...told, ...(isUsable ? [await checkGpuEngine(deps, gpus)] : [])]
}

const describe = (gpu: Gpu): string =>
  `${gpu.name}, ${gib(gpu.vramMib)} GiB${gpu.driver === null ? '' : `, driver ${gpu.driver}`}`

async function checkGpuEngine(deps: Deps, gpus: readonly Gpu[]): Promise<Check> {
  const { machine } = deps
  const platform = packagePlatform(machine.facts())
  const line = { name: 'GPU engine', found: '', neededFor: 'computing on the GPU by the built-in engine' }
  const plan = planBuild({ gpus, libraries: await readLibraries(machine), platform, wanted: 'auto' })
  if (typeof plan === 'string')
    return warn({ ...line, found: `the built-in engine has no build for GPUs on ${platform}` }, OTHER_ENGINE)
  const advice = libraryAdvice(plan.missing)
  if (advice !== null)
    return fail(
      { ...line, found: `the ${plan.build} build needs ${plan.missing.join(', ')}, not found` },
      `${advice} ${OTHER_ENGINE}`,
    )
  return checkInstalledBuild(deps, plan, line)
}

async function checkInstalledBuild(
  deps: Deps,
  plan: BuildPlan,
  line: Omit<Check, 'status' | 'fix'>,
): Promise<Check> {
  const { machine, rootFolder, dataFolder } = deps
  const folder = findBuild(machine, plan, { rootFolder, enginesFolder: `${dataFolder}/engines` })
  if (folder === null)
    return warn(
      { ...line, found: `the ${plan.build} build (${plan.sizeMib} MB) is not installed` },
      `shoal engine install ${plan.build}; "shoal provide" and "shoal up" do it by themselves.`,
    )
  const failure = failureOf(await loadEngine(deps, [plan.build, folder]))
  if (failure === null) return ok({ ...line, found: `the ${plan.build} build loads` })
  const driver =
    plan.build === 'vulkan'
      ? ' Vulkan needs the part of the driver that serves it (Debian: nvidia-vulkan-icd, or mesa-vulkan-drivers for AMD).'
      : ''
  return fail(
    { ...line, found: `the ${plan.build} build ${failure}` },
    `See that the driver works (nvidia-smi, vulkaninfo) and is as new as the build.${driver} ${OTHER_ENGINE}`,
  )
}
