/** Programs of the operating system that some part of Shoal uses, and how they get there. */
import type { CommandResult, Machine } from '#host/machine.ts'
import { MINUTE_MS, SECOND_MS } from '#kernel/time.ts'

export interface SystemPart {
  /** Debian's name of the package. */
  readonly package: string
  /** The program in it that is looked for. */
  readonly binary: string
  /** Where else than on the PATH it may lie, as a pattern of the shell. */
  readonly folders?: string
  readonly why: string
  /** What does not run, or is skipped, without it. */
  readonly neededBy: string
  /** What an operator may use it for; without it, it is for tests alone. */
  readonly operating?: string
}

export const systemParts: readonly SystemPart[] = [
  {
    package: 'strace',
    binary: 'strace',
    why: 'watches that the journal reaches the disk before anything is acknowledged',
    neededBy: 'npm test (journal durability) and bench',
  },
  {
    package: 'postgresql',
    binary: 'postgres',
    folders: '/usr/lib/postgresql/*/bin',
    why: 'keeps the journal and the read models of a network that has outgrown one machine',
    neededBy: 'npm test (stores, takeover) and bench',
    operating: 'the journal of a network that has outgrown one machine, if its server is to run here',
  },
  {
    package: 'nats-server',
    binary: 'nats-server',
    why: 'carries messages between gateways and coordinators in processes of their own',
    neededBy: 'npm test (bus, takeover) and bench',
    operating: 'gateways and coordinators in processes of their own, if their bus is to run here',
  },
  {
    package: 'chromium',
    binary: 'chromium',
    why: 'opens the pages as a person would',
    neededBy: 'npm test (web pages) and reports as pictures',
  },
  {
    package: 'nginx-light',
    binary: 'nginx',
    folders: '/usr/sbin',
    why: 'stands before a network as its TLS proxy',
    neededBy: 'npm test (joining through a proxy)',
    operating: 'a network that others reach, if its TLS proxy is to run here',
  },
  {
    package: 'curl',
    binary: 'curl',
    why: 'makes the call that the first start prints',
    neededBy: 'npm test (first start)',
  },
  {
    package: 'iproute2',
    binary: 'ip',
    folders: '/usr/sbin',
    why: 'puts agents into networks of their own',
    neededBy: 'npm test (joining through a proxy)',
  },
  {
    package: 'openssl',
    binary: 'openssl',
    why: 'makes certificates',
    neededBy: 'npm test (TLS)',
  },
  {
    package: 'blender',
    binary: 'blender',
    why: 'renders frames',
    neededBy: 'npm test (rendering) and bench',
  },
  {
    package: 'bubblewrap',
    binary: 'bwrap',
    why: 'keeps what a scene does away from the machine',
    neededBy: 'npm test (rendering) and bench',
  },
  {
    package: 'ffmpeg',
    binary: 'ffmpeg',
    why: 'makes a video of frames',
    neededBy: 'npm test (rendering)',
  },
  {
    package: 'pocl-opencl-icd',
    binary: 'pocl.icd',
    folders: '/etc/OpenCL/vendors',
    why: 'lets the processor stand in for a card that speaks OpenCL',
    neededBy: 'npm test (proof of hardware)',
  },
]

export interface SetupOutcome {
  readonly installed: readonly string[]
  readonly missing: readonly string[]
}

type Shell = Pick<Machine, 'run' | 'readFile' | 'listFolder'>

export async function missingParts(
  machine: Pick<Machine, 'run'>,
  parts = systemParts,
): Promise<readonly SystemPart[]> {
  const found = await Promise.all(parts.map((part) => hasCommand(machine, part.binary, part.folders)))
  return parts.filter((_, at) => !found[at])
}

/**
 * Installs what is missing when that can be done without asking: as root, where there is `apt-get`. Says otherwise
 * exactly what to do. Never rejects: a machine that lacks a part works, but for what needs it.
 */
export async function setUpSystem(
  machine: Shell,
  say: (line: string) => void,
  parts = systemParts,
): Promise<SetupOutcome> {
  const missing = await missingParts(machine, parts)
  if (missing.length === 0) {
    say(`System parts: nothing to do (${parts.map((part) => part.binary).join(', ')} present).`)
    return { installed: [], missing: [] }
  }
  const names = missing.map((part) => part.package)
  const [isDebian, isRoot] = await Promise.all([hasCommand(machine, 'apt-get'), isSuperuser(machine)])
  if (!isDebian || !isRoot) {
    say(`System parts missing: ${missing.map(describe).join('; ')}.`)
    say(
      isDebian
        ? `Install with: sudo ${installLine(names)}`
        : `Install ${names.join(', ')} with the package manager of this system.`,
    )
    return { installed: [], missing: names }
  }
  say(`Installing ${missing.map(describe).join('; ')}: ${installLine(names)}`)
  const problem = await install(machine, names)
  const still = (await missingParts(machine, missing)).map((part) => part.package)
  const installed = names.filter((name) => !still.includes(name))
  if (installed.length > 0) say(`Installed ${installed.join(', ')}.`)
  if (still.length > 0)
    say(
      `Could not install ${still.join(', ')}: ${problem ?? 'apt-get left it out'}. Try: ${installLine(still)}`,
    )
  return { installed, missing: still }
}

const describe = (part: SystemPart): string => `${part.package} (${part.why}; for ${part.neededBy})`

/** Answers the exact command that installs these packages here. */
export async function findInstaller(
  machine: Pick<Machine, 'run'>,
): Promise<(names: readonly string[]) => string> {
  const [isDebian, isRoot, hasSudo] = await Promise.all([
    hasCommand(machine, 'apt-get'),
    isSuperuser(machine),
    hasCommand(machine, 'sudo'),
  ])
  const before = isRoot ? '' : hasSudo ? 'sudo ' : 'As root: '
  return (names) =>
    isDebian
      ? `${before}${installLine(names)}`
      : `Install ${names.join(', ')} with the package manager of this system.`
}

const INSTALL = ['install', '--yes', '--no-install-recommends']
const installLine = (names: readonly string[]): string => ['apt-get', ...INSTALL, ...names].join(' ')

/** The problem in one line, or `null`. Fresh package lists are fetched at most once: first when there are none, else when the old ones fail. */
async function install(machine: Shell, names: readonly string[]): Promise<string | null> {
  const hasLists = machine.listFolder('/var/lib/apt/lists').some((name) => name.includes('_Packages'))
  if (hasLists) {
    const problem = problemOf(await apt(machine, [...INSTALL, ...names]))
    if (problem === null) return null
  }
  const outdated = problemOf(await apt(machine, ['update']))
  const problem = problemOf(await apt(machine, [...INSTALL, ...names]))
  return problem === null ? null : (outdated ?? problem)
}

const apt = (machine: Shell, args: readonly string[]): Promise<CommandResult> =>
  machine.run(
    'env',
    ['DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q', '-o', 'DPkg::Lock::Timeout=120', ...args],
    {
      timeoutMs: 10 * MINUTE_MS,
    },
  )

function problemOf(result: CommandResult): string | null {
  if (result === 'not_found') return 'apt-get is not there'
  if (result === 'timed_out') return 'apt-get did not end in time'
  if (result.code === 0) return null
  const lines = result.stderr.split('\n').filter((line) => line.trim() !== '')
  return (
    lines.find((line) => line.startsWith('E:')) ?? lines.at(-1) ?? `apt-get failed with code ${result.code}`
  )
}

async function hasCommand(machine: Pick<Machine, 'run'>, name: string, folders = ''): Promise<boolean> {
  const elsewhere = folders === '' ? '' : ` || ls ${folders}/${name}`
  const result = await machine.run('sh', ['-c', `command -v ${name}${elsewhere}`], {
    timeoutMs: 10 * SECOND_MS,
  })
  return typeof result !== 'string' && result.code === 0
}

async function isSuperuser(machine: Pick<Machine, 'run'>): Promise<boolean> {
  const result = await machine.run('id', ['-u'], { timeoutMs: 10 * SECOND_MS })
  return typeof result !== 'string' && result.stdout.trim() === '0'
}
