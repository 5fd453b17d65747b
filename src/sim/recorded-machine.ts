import type { CommandResult, FolderState, Machine, MachineFacts } from '#host/machine.ts'

export interface Recording {
  readonly facts?: Partial<MachineFacts>
  /**
   * Answers by command line. The longest key that is the command line itself, or its beginning up to a space, answers;
   * a plain text is the output of a success. A list answers one call after the other, and its last item all later ones.
   */
  readonly commands?: Readonly<Record<string, Answer | readonly Answer[]>>
  /** Texts by path. */
  readonly files?: Readonly<Record<string, string>>
  readonly diskFreeMib?: number | null
  readonly folderState?: FolderState
  readonly takenPorts?: readonly number[]
  readonly cpuPowerWatts?: number | null
}
type Answer =
  | string
  | { readonly code: number; readonly stdout?: string; readonly stderr?: string }
  | Unanswered
/** Told apart from a text of the same letters by being an object. */
type Unanswered = { readonly unanswered: 'not_found' | 'timed_out' }

export interface RecordedMachine extends Machine {
  /** Every command line that was run, in order. */
  readonly ran: readonly string[]
}

const ordinaryFacts: MachineFacts = {
  cpuModel: 'AMD Ryzen 5 2600X Six-Core Processor',
  cores: 12,
  memoryMib: 32_000,
  freeMemoryMib: 24_000,
  platform: 'linux',
  arch: 'x64',
  osName: 'Debian GNU/Linux 12 (bookworm)',
  nodeVersion: '24.21.0',
  nodePath: '/usr/bin/node',
}

/** A machine that gives recorded answers: an ordinary one without GPUs, but for what `recording` says. */
export function createRecordedMachine(recording: Recording = {}): RecordedMachine {
  const ran: string[] = []
  const files = recording.files ?? {}
  const answer = answerFrom(recording.commands ?? {})
  return {
    ran,
    facts: () => ({ ...ordinaryFacts, ...recording.facts }),
    run(command, args) {
      const line = [command, ...args].join(' ')
      ran.push(line)
      return Promise.resolve(answer(line))
    },
    readFile: (path) => files[path] ?? null,
    listFolder: (path) => namesIn(path, Object.keys(files)),
    diskFreeMib: () => Promise.resolve(recording.diskFreeMib === undefined ? 100_000 : recording.diskFreeMib),
    folderState: () => Promise.resolve(recording.folderState ?? { isWritable: true }),
    portState: (port) => Promise.resolve(recording.takenPorts?.includes(port) ? 'taken' : 'free'),
    cpuPowerWatts: () => Promise.resolve(recording.cpuPowerWatts ?? null),
  }
}

function answerFrom(commands: NonNullable<Recording['commands']>): (line: string) => CommandResult {
  const calls = new Map<string, number>()
  const keys = Object.keys(commands).toSorted((a, b) => b.length - a.length)
  return (line) => {
    const key = keys.find((candidate) => line === candidate || line.startsWith(`${candidate} `))
    const recorded = key === undefined ? undefined : commands[key]
    if (key === undefined || recorded === undefined) return 'not_found'
    const call = calls.get(key) ?? 0
    calls.set(key, call + 1)
    const answer = isList(recorded) ? recorded[Math.min(call, recorded.length - 1)] : recorded
    if (answer === undefined) return 'not_found'
    if (typeof answer === 'string') return { code: 0, stdout: answer, stderr: '' }
    if ('unanswered' in answer) return answer.unanswered
    return { stdout: '', stderr: '', ...answer }
  }
}

const isList = (value: Answer | readonly Answer[]): value is readonly Answer[] => Array.isArray(value)

const namesIn = (folder: string, paths: readonly string[]): string[] => {
  const prefix = `${folder}/`
  const names = paths
    .filter((path) => path.startsWith(prefix))
    .map((path) => path.slice(prefix.length).split('/')[0] ?? '')
  return [...new Set(names)].toSorted()
}
