/**
 * The builds of llama.cpp that compute on GPUs: packages of 70 to 540 MB, so that they come when a machine needs one.
 * What they need of the system was read from their libraries, for the one version that this release was tested with.
 */
import type { Gpu } from '#protocol/capability.ts'
import type { Machine } from './machine.ts'

/** Of node-llama-cpp and of all its builds: they must be of one version. */
export const LLAMA_CPP_VERSION = '3.22.1'

export type GpuBuild = 'cuda' | 'vulkan'

export interface BuildPlan {
  readonly build: GpuBuild
  readonly packages: readonly string[]
  readonly sizeMib: number
  /** Libraries of the system that it does not start without, and that are not there. */
  readonly missing: readonly string[]
}

const CUDA_DRIVER = 'libcuda.so.1'
const VULKAN_LOADER = 'libvulkan.so.1'
const cudaRuntime = (major: number): readonly string[] => [`libcudart.so.${major}`, `libcublas.so.${major}`]
const SIZE_MIB = { cuda: 181, cudaExt: 358, vulkan: 71 } as const

export interface BuildWish {
  readonly gpus: readonly Pick<Gpu, 'vendor' | 'healthy'>[]
  /** As `readLibraries` gives them; `null` when they could not be listed: then nothing counts as missing. */
  readonly libraries: ReadonlySet<string> | null
  /** As packages are named: `linux-x64`. */
  readonly platform: string
  readonly wanted: 'auto' | GpuBuild
}

/**
 * The build for these GPUs: CUDA where a CUDA runtime is installed, which is fastest, and else Vulkan, which needs the
 * driver alone. `no_gpu`: there is none that works; `no_build`: none is made for this platform.
 */
export function planBuild(wish: BuildWish): BuildPlan | 'no_gpu' | 'no_build' {
  const { libraries, platform, wanted } = wish
  const healthy = wish.gpus.filter((gpu) => gpu.healthy)
  if (wanted === 'auto' && healthy.length === 0) return 'no_gpu'
  if (platform !== 'linux-x64') return 'no_build'
  const has = (name: string): boolean => libraries === null || libraries.has(name)
  const hasRuntime = (major: number): boolean => cudaRuntime(major).every(has)
  const isCuda =
    wanted === 'cuda' ||
    (wanted === 'auto' &&
      healthy.some(({ vendor }) => vendor === 'nvidia') &&
      (hasRuntime(13) || hasRuntime(12)))
  const base = `@node-llama-cpp/${platform}`
  if (!isCuda) {
    const missing = [VULKAN_LOADER].filter((name) => !has(name))
    return { build: 'vulkan', packages: [`${base}-vulkan`], sizeMib: SIZE_MIB.vulkan, missing }
  }
  // The first package is for CUDA 13; the second holds its twin for CUDA 12.
  const isTwelve = libraries === null || (!hasRuntime(13) && hasRuntime(12))
  const missing = [CUDA_DRIVER, ...cudaRuntime(isTwelve ? 12 : 13)].filter((name) => !has(name))
  return {
    build: 'cuda',
    packages: [`${base}-cuda`, ...(isTwelve ? [`${base}-cuda-ext`] : [])],
    sizeMib: SIZE_MIB.cuda + (isTwelve ? SIZE_MIB.cudaExt : 0),
    missing,
  }
}

/** `linux-x64` */
export function packagePlatform({ platform, arch }: { platform: string; arch: string }): string {
  return `${platform === 'win32' ? 'win' : platform}-${arch}`
}

const LIST_TIMEOUT_MS = 10_000

/** Names of the shared libraries that programs of this machine find; `null` when the system does not list them. */
export async function readLibraries(machine: Pick<Machine, 'run'>): Promise<ReadonlySet<string> | null> {
  // It lies in a folder that is not on every user's PATH.
  for (const command of ['ldconfig', '/sbin/ldconfig']) {
    const result = await machine.run(command, ['-p'], { timeoutMs: LIST_TIMEOUT_MS })
    if (typeof result === 'string' || result.code !== 0) continue
    return new Set([...result.stdout.matchAll(/^\s+(\S+) \(/gm)].map((match) => match[1] ?? ''))
  }
  return null
}

/** Where `shoal engine install` puts a build, below the folder of all of them. */
export function buildFolder(enginesFolder: string, build: GpuBuild): string {
  return `${enginesFolder}/llama-cpp-${LLAMA_CPP_VERSION}-${build}`
}

/**
 * The folder whose `node_modules` holds all packages of the plan, in this version: the build's own, or one that npm
 * keeps Shoal's other packages in. `null` when it is not installed.
 */
export function findBuild(
  machine: Pick<Machine, 'readFile'>,
  plan: Pick<BuildPlan, 'build' | 'packages'>,
  folders: { readonly enginesFolder: string; readonly rootFolder: string },
): string | null {
  const holders = [buildFolder(folders.enginesFolder, plan.build), ...foldersAbove(folders.rootFolder)]
  return (
    holders.find((folder) =>
      plan.packages.every((name) => versionOf(machine, folder, name) === LLAMA_CPP_VERSION),
    ) ?? null
  )
}

/** `folder` and every one above it, the last of them `''`: where a package's modules may be found. */
export function foldersAbove(folder: string): readonly string[] {
  const parts = folder.split('/')
  return parts.map((_, at) => parts.slice(0, parts.length - at).join('/'))
}

/** The version of a package in the `node_modules` of `folder`; `null` when it is not there, or another in its place. */
export function versionOf(machine: Pick<Machine, 'readFile'>, folder: string, name: string): string | null {
  const text = machine.readFile(`${folder}/node_modules/${name}/package.json`)
  // An override puts an empty package under another's name.
  if (text === null || /"name":\s*"([^"]+)"/.exec(text)?.[1] !== name) return null
  return /"version":\s*"([^"]+)"/.exec(text)?.[1] ?? null
}

/** What to install so that `missing` is there, in the words of Debian; `null` when nothing is missing. */
export function libraryAdvice(missing: readonly string[]): string | null {
  const packages = missing.flatMap((name) => (name === VULKAN_LOADER ? ['libvulkan1'] : []))
  const advice = [
    ...(missing.includes(CUDA_DRIVER)
      ? ["install NVIDIA's driver (Debian: apt-get install nvidia-driver, from non-free)"]
      : []),
    ...(packages.length > 0 ? [`apt-get install ${packages.join(' ')}`] : []),
    ...(missing.some((name) => name.startsWith('libcudart') || name.startsWith('libcublas'))
      ? [
          'install the runtime of CUDA 12 or 13 (cuda-libraries-13-0 of NVIDIA\'s repository), or take "--gpu vulkan", which needs none',
        ]
      : []),
  ]
  return advice.length === 0 ? null : `${advice.join('; ')}.`
}
