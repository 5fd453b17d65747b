/**
 * The box that Blender runs in: bubblewrap with namespaces of its own for users, processes, network and mounts. It sees
 * the system's programs, the scene and its scripts, all read-only; it may write to one folder of results and to small
 * folders in memory; there is no network, no home, and nothing of other jobs. A scene is a program that strangers
 * wrote: file formats have holes even where scripts do not run.
 */

export interface BoxOptions {
  readonly sceneFolder: string
  readonly scriptsFolder: string
  readonly outFolder: string
  readonly usesGpu: boolean
  /** For `/tmp`, `/dev/shm` and the home folder, each. */
  readonly scratchBytes: number
  /** Threads count. */
  readonly processesMax: number
}

/** Where things lie inside. */
export const inBox = { scene: '/scene', scripts: '/shoal', out: '/out', home: '/home/node' } as const

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
export function boxArguments(options: BoxOptions, command: readonly string[]): readonly string[] {
  const { sceneFolder, scriptsFolder, outFolder, scratchBytes } = options
  const inMemory = (folder: string) => ['--size', String(scratchBytes), '--tmpfs', folder]
  return [
    ...namespaces,
    ...system,
    ...['--proc', '/proc', '--dev', '/dev'],
    ...(options.usesGpu ? [...gpuDevices, '--ro-bind-try', '/sys', '/sys'] : []),
    ...['/tmp', '/dev/shm', inBox.home].flatMap(inMemory),
    ...['--ro-bind', sceneFolder, inBox.scene, '--ro-bind', scriptsFolder, inBox.scripts],
    ...['--bind', outFolder, inBox.out],
    // Both are folders in memory without a size: a place to fill it.
    ...['--remount-ro', '/dev', '--remount-ro', '/'],
    // Where the agent runs as root, this is root to the kernel: its settings would be open to writing.
    ...['--remount-ro', '/proc'],
    ...['--chdir', inBox.out, '--clearenv'],
    ...['--setenv', 'PATH', '/usr/bin:/bin', '--setenv', 'HOME', inBox.home, '--setenv', 'TMPDIR', '/tmp'],
    ...['--setenv', 'LANG', 'C.UTF-8', '--setenv', 'XDG_RUNTIME_DIR', '/tmp'],
    // Counted in the new user namespace, so that other processes of this user do not count.
    ...['--', 'prlimit', `--nproc=${options.processesMax}`, '--', ...command],
  ]
}
