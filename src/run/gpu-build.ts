/** Sees to it that a machine with a GPU has the engine's build for it before it serves: never the CPU unasked. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { CliContext } from '#cli/context.ts'
import { dataFolderOf, type GlobalOptions } from '#cli/credentials.ts'
import {
  type BuildPlan,
  buildFolder,
  findBuild,
  LLAMA_CPP_VERSION,
  libraryAdvice,
  packagePlatform,
  planBuild,
  readLibraries,
  versionOf,
} from '#host/engine-builds.ts'
import type { Machine } from '#host/machine.ts'
import { toDiskProblem } from '#host/node/disk-problem.ts'
import { probeGpus } from '#host/probe-gpus.ts'
import { MINUTE_MS } from '#kernel/time.ts'
import { Problem } from '#protocol/problem.ts'
import type { AgentConfig } from './agent-config.ts'

export interface BuildFolders {
  readonly enginesFolder: string
  readonly rootFolder: string
}

export interface EnsureOptions extends BuildFolders {
  readonly gpu: 'auto' | 'cuda' | 'vulkan'
  /** Whether a missing build may be installed; on a terminal its user is asked first. */
  readonly mayInstall: boolean
}

type Terminal = Pick<CliContext, 'machine' | 'stdin' | 'stderr'>

/**
 * What the engine is to compute on: `false` (the CPU) only where no GPU was found, which is said when there seems to be
 * one. Throws `Problem('engine_missing')` when the GPU cannot be used, with what is missing and the ways out.
 */
export async function ensureGpuBuild(
  terminal: Terminal,
  options: EnsureOptions,
): Promise<'cuda' | 'vulkan' | false> {
  const { machine } = terminal
  const note = (text: string): void => terminal.stderr.write(`shoal: ${text}\n`)
  const { gpus, problems } = await probeGpus(machine)
  if (options.gpu === 'auto' && gpus.length === 0) {
    for (const problem of problems) note(`${problem} Until then this node computes on the CPU.`)
    return false
  }
  const plan = planBuild({
    gpus,
    libraries: await readLibraries(machine),
    platform: packagePlatform(machine.facts()),
    wanted: options.gpu,
  })
  if (plan === 'no_gpu') {
    const reasons = gpus.map((gpu) => `${gpu.name}: ${gpu.unhealthyReason ?? 'unhealthy'}`)
    throw unusable(`The GPU does not work (${reasons.join('; ')}).`)
  }
  if (plan === 'no_build')
    throw unusable(`The built-in engine has no build for GPUs on ${packagePlatform(machine.facts())}.`)
  const advice = libraryAdvice(plan.missing)
  if (advice !== null)
    throw unusable(
      `The engine's ${plan.build} build needs ${plan.missing.join(', ')}, which this machine has not: ${advice}`,
    )
  if (findBuild(machine, plan, options) !== null) return plan.build
  const names = gpus.map(({ name }) => name).join(', ') || 'this machine'
  const what = `the engine's ${plan.build} build for ${names} (${plan.sizeMib} MB)`
  if (!options.mayInstall || !(await mayInstall(terminal, what)))
    throw unusable(
      `${what[0]?.toUpperCase()}${what.slice(1)} is not installed: shoal engine install ${plan.build}.`,
    )
  note(`installing ${what} …`)
  await installBuild(machine, plan, options.enginesFolder)
  return plan.build
}

const unusable = (what: string): Problem =>
  new Problem(
    'engine_missing',
    `${what} This node does not compute on the CPU unasked: --cpu does so, and --upstream serves what another engine (vLLM, Ollama) computes.`,
  )

/** Who started it with nobody at the terminal has asked for it by starting a node. */
async function mayInstall({ stdin, stderr }: Terminal, what: string): Promise<boolean> {
  if (!stdin.isTty || !stderr.isTty) return true
  const answer = await stdin.question(`Install ${what}? [Y/n] `)
  return answer !== null && !/^\s*n/i.test(answer)
}

const INSTALL_MS_MAX = 30 * MINUTE_MS
/** npm unpacks beside what it downloads. */
const SPACE_FACTOR = 3

/** By npm, from the registry it is set to, running no script of a package. Whole or not at all; twice is harmless. */
export async function installBuild(
  machine: Pick<Machine, 'run' | 'readFile' | 'diskFreeMib'>,
  plan: BuildPlan,
  enginesFolder: string,
): Promise<void> {
  const target = buildFolder(enginesFolder, plan.build)
  const freeMib = await machine.diskFreeMib(enginesFolder)
  if (freeMib !== null && freeMib < plan.sizeMib * SPACE_FACTOR) {
    throw new Problem(
      'disk_full',
      `The disk of ${enginesFolder} has ${freeMib} MiB free; installing the engine's ${plan.build} build takes ${plan.sizeMib * SPACE_FACTOR}. Free some space, or choose another disk with --data DIR.`,
    )
  }
  const draft = makeDraft(enginesFolder)
  try {
    await runNpm(machine, plan, draft)
    const torn = plan.packages.find((name) => versionOf(machine, draft, name) !== LLAMA_CPP_VERSION)
    if (torn !== undefined)
      throw new Problem(
        'engine_missing',
        `npm installed ${torn} without an error, but it is not there: the registry may not have it for this system.`,
      )
    rmSync(target, { recursive: true, force: true })
    renameSync(draft, target)
  } catch (error) {
    // Of two at once the other may have been faster; what it installed is the same.
    if (plan.packages.some((name) => versionOf(machine, target, name) !== LLAMA_CPP_VERSION)) throw error
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

function makeDraft(enginesFolder: string): string {
  try {
    mkdirSync(dirname(enginesFolder), { recursive: true, mode: 0o700 })
    mkdirSync(enginesFolder, { recursive: true })
    const draft = mkdtempSync(join(enginesFolder, 'draft-'))
    writeFileSync(join(draft, 'package.json'), '{"private": true}\n')
    return draft
  } catch (error) {
    throw toDiskProblem(error, enginesFolder)
  }
}

/** An outer npm tells its settings by the environment; those that could mislead are set again. */
const NPM_ARGUMENTS = [
  ...['install', '--ignore-scripts', '--no-save', '--no-package-lock', '--no-audit', '--no-fund'],
  ...['--no-dry-run', '--no-global', '--include=optional', '--loglevel=error'],
]

async function runNpm(machine: Pick<Machine, 'run'>, plan: BuildPlan, draft: string): Promise<void> {
  const names = plan.packages.map((name) => `${name}@${LLAMA_CPP_VERSION}`)
  const result = await machine.run('npm', [...NPM_ARGUMENTS, `--prefix=${draft}`, ...names], {
    timeoutMs: INSTALL_MS_MAX,
    folder: draft,
  })
  const again = `Try again with "shoal engine install ${plan.build}".`
  if (result === 'not_found')
    throw new Problem(
      'engine_missing',
      `The engine's ${plan.build} build comes by npm, and there is no npm on the PATH. Install it (Debian: apt-get install npm). ${again}`,
    )
  if (result === 'timed_out')
    throw new Problem(
      'engine_missing',
      `npm did not install ${names.join(' ')} within half an hour. ${again}`,
    )
  if (result.code === 0) return
  const said = result.stderr.split('\n').filter((line) => /^npm (ERR!|error)/.test(line))
  const reason =
    said
      .slice(0, 2)
      .join(' ')
      .replaceAll(/npm (ERR!|error) /g, '') || `code ${result.code}`
  throw new Problem('engine_missing', `npm could not install ${names.join(' ')}: ${reason}. ${again}`)
}

/** The engine's configuration with its GPU settled: as `ensureGpuBuild`, and untouched for other engines. */
export async function settleEngine(
  terminal: Terminal,
  engine: AgentConfig['engine'],
  options: Omit<EnsureOptions, 'gpu'>,
): Promise<AgentConfig['engine']> {
  if (engine.kind !== 'llama-cpp' || engine.gpu === false) return engine
  const gpu = await ensureGpuBuild(terminal, { ...options, gpu: engine.gpu })
  return { ...engine, gpu, enginesFolder: options.enginesFolder }
}

/** Where the builds of this data folder are, and whether one may be added to them. */
export const enginesOf = (
  context: CliContext,
  options: GlobalOptions & { readonly engineInstall: boolean },
): Omit<EnsureOptions, 'gpu'> => ({
  enginesFolder: join(resolve(dataFolderOf(context, options)), 'engines'),
  rootFolder: context.rootFolder,
  mayInstall: options.engineInstall,
})
