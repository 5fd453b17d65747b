/** `shoal engine`: the built-in engine's builds for GPUs. */
import { Argument, Command } from 'commander'
import type { CliContext } from '#cli/context.ts'
import type { GlobalOptions } from '#cli/credentials.ts'
import {
  type BuildPlan,
  buildFolder,
  findBuild,
  type GpuBuild,
  libraryAdvice,
  packagePlatform,
  planBuild,
  readLibraries,
} from '#host/engine-builds.ts'
import { probeGpus } from '#host/probe-gpus.ts'
import { Problem } from '#protocol/problem.ts'
import { enginesOf, installBuild } from './gpu-build.ts'

export const engineCommand = (context: CliContext): Command =>
  new Command('engine').description("the built-in engine's builds for GPUs").addCommand(
    new Command('install')
      .description('install a build: the one for the GPU of this machine, unless it is named')
      .addArgument(new Argument('[build]').choices(['cuda', 'vulkan']))
      .action((build: GpuBuild | undefined, _options: unknown, self: Command) =>
        runInstall(context, build ?? 'auto', self.optsWithGlobals<GlobalOptions>()),
      ),
  )

async function runInstall(
  context: CliContext,
  wanted: 'auto' | GpuBuild,
  options: GlobalOptions,
): Promise<void> {
  const { machine, stdout, stderr } = context
  const folders = enginesOf(context, { ...options, engineInstall: true })
  const plan = await planHere(context, wanted)
  const folder = findBuild(machine, plan, folders)
  const missing = libraryAdvice(plan.missing)
  if (folder === null) {
    stderr.write(`shoal: installing ${plan.packages.join(', ')} (${plan.sizeMib} MB) …\n`)
    await installBuild(machine, plan, folders.enginesFolder)
  }
  if (missing !== null)
    stderr.write(`shoal: it does not start yet without ${plan.missing.join(', ')}: ${missing}\n`)
  const where = folder ?? buildFolder(folders.enginesFolder, plan.build)
  stdout.write(
    options.json
      ? `${JSON.stringify({ build: plan.build, folder: where, missing: plan.missing })}\n`
      : `The ${plan.build} build ${folder === null ? 'is now' : 'was already'} in ${where}.\n`,
  )
}

async function planHere({ machine }: CliContext, wanted: 'auto' | GpuBuild): Promise<BuildPlan> {
  const { gpus, problems } = await probeGpus(machine)
  const platform = packagePlatform(machine.facts())
  const plan = planBuild({ gpus, libraries: await readLibraries(machine), platform, wanted })
  if (plan === 'no_build')
    throw new Problem(
      'not_supported',
      `The built-in engine has no build for GPUs on ${platform}: serve them by another engine (--upstream).`,
    )
  if (plan === 'no_gpu') {
    const why = [
      ...problems,
      ...gpus.map(({ name, unhealthyReason }) => `${name}: ${unhealthyReason ?? 'unhealthy'}`),
    ]
    throw new Problem(
      'engine_missing',
      `There is no GPU here that works${why.length > 0 ? ` (${why.join(' ')})` : ''}. Name the build to install it all the same: cuda or vulkan.`,
    )
  }
  return plan
}
