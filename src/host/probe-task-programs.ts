/** Which programs for tasks are on this machine, and whether strangers' work can be shut in here. */
import { SECOND_MS } from '#kernel/time.ts'
import type { Machine } from './machine.ts'

export interface TaskPrograms {
  /** `3.4.1`; `null` when there is none. */
  readonly blender: string | null
  readonly ffmpeg: string | null
  /** A sentence why nothing of strangers may run here, with what to do; `null` when it may. */
  readonly sandboxMissing: string | null
}

const TIMEOUT_MS = 30 * SECOND_MS
const INSTALL = 'apt-get install --no-install-recommends'
/** The least that our boxes need of the system. */
const TRIAL = [
  ...['--unshare-user', '--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts'],
  ...['--disable-userns', '--cap-drop', 'ALL', '--uid', '65534', '--gid', '65534', '--die-with-parent'],
  ...['--ro-bind', '/usr', '/usr'],
  ...['bin', 'lib', 'lib64'].flatMap((name) => ['--ro-bind-try', `/${name}`, `/${name}`]),
  ...['--proc', '/proc', '--dev', '/dev', '--', 'prlimit', '--version'],
]

/** Never rejects. */
export async function probeTaskPrograms(
  machine: Pick<Machine, 'run' | 'facts'>,
  { blender = 'blender' }: { readonly blender?: string } = {},
): Promise<TaskPrograms> {
  const [ofBlender, ofFfmpeg, sandboxMissing] = await Promise.all([
    versionOf(machine, [blender, '--version'], /^Blender (\d+\.\d+(?:\.\d+)?)/m),
    versionOf(machine, ['ffmpeg', '-version'], /^ffmpeg version (\S+)/m),
    whyNoSandbox(machine),
  ])
  return { blender: ofBlender, ffmpeg: ofFfmpeg, sandboxMissing }
}

async function versionOf(
  machine: Pick<Machine, 'run'>,
  [program = '', ...args]: readonly string[],
  pattern: RegExp,
): Promise<string | null> {
  const said = await machine.run(program, args, { timeoutMs: TIMEOUT_MS })
  return typeof said === 'string' ? null : (pattern.exec(said.stdout)?.[1]?.slice(0, 40) ?? null)
}

/** As `sandboxMissing` has it. Tries what our boxes ask for: there are bubblewraps that are too old for it. Never rejects. */
export async function whyNoSandbox(machine: Pick<Machine, 'run' | 'facts'>): Promise<string | null> {
  if (machine.facts().platform !== 'linux')
    return 'the work of strangers is shut in by bubblewrap, which is for Linux'
  const tried = await machine.run('bwrap', TRIAL, { timeoutMs: TIMEOUT_MS })
  if (tried === 'not_found')
    return `there is no bubblewrap, which shuts in the work of strangers: ${INSTALL} bubblewrap`
  if (tried === 'timed_out') return 'bubblewrap did not answer within 30 s'
  if (tried.code === 0) return null
  const [said = 'it says nothing'] = tried.stderr.trim().split('\n')
  return `bubblewrap cannot make a sandbox here (${said.slice(0, 150)}): use bubblewrap 0.8 or newer, and let this user make namespaces (sysctl kernel.unprivileged_userns_clone=1; in a container, allow user namespaces)`
}
