/**
 * The box that work of strangers runs in: bubblewrap with namespaces of its own for users, processes, network and mounts.
 * It sees the system's programs and what is bound into it, read-only; it may write to one folder and to small folders in
 * memory; there is no network, no home, and nothing of other jobs.
 */

export interface Sandbox {
  readonly readOnly: readonly { readonly from: string; readonly to: string }[]
  /** The one folder that it may write to, and where it starts. */
  readonly writable: { readonly from: string; readonly to: string }
  readonly usesGpu: boolean
  /** For `/tmp`, `/dev/shm` and the home folder, each. It counts as memory. */
  readonly scratchBytes: number
  /** Threads count. */
  readonly processesMax: number
  /** In its environment, beside those that every box has. */
  readonly env?: Readonly<Record<string, string>>
}

export const HOME_IN_BOX = '/home/node'

/** Of each process. What programs expect everywhere, and few enough to look at them all. */
const OPEN_FILES_MAX = 1_024

const namespaces = [
  ...['--unshare-user', '--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts'],
  ...['--unshare-cgroup-try', '--disable-userns', '--cap-drop', 'ALL'],
  ...['--uid', '65534', '--gid', '65534', '--hostname', 'node'],
  // It dies with us, and cannot type into our terminal.
  ...['--die-with-parent', '--new-session'],
]

const system = [
  ...['--ro-bind', '/usr', '/usr'],
  ...['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'].flatMap((name) => [
    '--ro-bind-try',
    `/${name}`,
    `/${name}`,
  ]),
  // Where fonts, libraries and Debian's choices between them are written down.
  ...['fonts', 'ld.so.cache', 'alternatives', 'OpenCL'].flatMap((name) => [
    '--ro-bind-try',
    `/etc/${name}`,
    `/etc/${name}`,
  ]),
]

/** What a driver of NVIDIA, AMD or Intel needs to be seen. */
const gpuDevices = [
  ...['nvidia0', 'nvidia1', 'nvidia2', 'nvidia3', 'nvidia4', 'nvidia5', 'nvidia6', 'nvidia7'],
  ...['nvidiactl', 'nvidia-uvm', 'nvidia-uvm-tools', 'nvidia-modeset', 'kfd', 'dri'],
].flatMap((name) => ['--dev-bind-try', `/dev/${name}`, `/dev/${name}`])

/** Arguments of `bwrap` that run `command` in the box. */
export function sandboxArguments(box: Sandbox, command: readonly string[]): readonly string[] {
  const { readOnly, writable, scratchBytes, env = {} } = box
  const inMemory = (folder: string) => ['--size', String(scratchBytes), '--tmpfs', folder]
  return [
    ...namespaces,
    ...system,
    ...['--proc', '/proc', '--dev', '/dev'],
    ...(box.usesGpu ? [...gpuDevices, '--ro-bind-try', '/sys', '/sys'] : []),
    ...['/tmp', '/dev/shm', HOME_IN_BOX].flatMap(inMemory),
    ...readOnly.flatMap(({ from, to }) => ['--ro-bind', from, to]),
    ...['--bind', writable.from, writable.to],
    // Both are folders in memory without a size: a place to fill it.
    ...['--remount-ro', '/dev', '--remount-ro', '/'],
    // Where the agent runs as root, this is root to the kernel: its settings would be open to writing.
    ...['--remount-ro', '/proc'],
    ...['--chdir', writable.to, '--clearenv'],
    ...Object.entries({ ...ofEveryBox, ...env }).flatMap(([name, value]) => ['--setenv', name, value]),
    // Counted in the new user namespace, so that other processes of this user do not count.
    ...['--', 'prlimit', `--nproc=${box.processesMax}`, `--nofile=${OPEN_FILES_MAX}`, '--', ...command],
  ]
}

const ofEveryBox: Readonly<Record<string, string>> = {
  PATH: '/usr/bin:/bin',
  HOME: HOME_IN_BOX,
  TMPDIR: '/tmp',
  LANG: 'C.UTF-8',
  XDG_RUNTIME_DIR: '/tmp',
}
