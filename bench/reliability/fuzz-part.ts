/** What `bench/fuzz.ts` prints, read as a half of a row: malformed inputs to every surface, beside a well-behaved client. */
import { surfaceNames } from '../../test/fuzz/surface.ts'
import type { Part, PartReading } from './part.ts'
import { atMost, none } from './scenario.ts'

type Kind = 'health' | 'chat'
type Felt = Readonly<Record<Kind, { readonly count: number; readonly p99Ms: number }>> & {
  /** Calls in order that were not answered as they should be. */
  readonly failed: number
}

interface FuzzLine {
  readonly run: Readonly<Record<'count' | 'failed' | 'held' | 'unavailable', number>> & {
    readonly surface: string
  }
  /** `null` for what is tried without the network. */
  readonly felt: Readonly<Record<'inOrder' | 'meanwhile', Felt>> | null
  readonly residentBeforeMib: number
  readonly residentAfterMib: number
  readonly bugs: readonly string[]
}

export const fuzz: Part = {
  level: 'real',
  name: 'fuzz',
  limitMinutes: 240,
  command: ({ seed, isQuick }) => [
    ...['bench/fuzz.ts', '--json', '--seed', String(seed), '--count', isQuick ? '500' : '20000'],
  ],
  read: ({ stdout }) => readFuzz(stdout),
}

/** Throws when a surface is missing: whatever ended the run may have been found by it. */
export function readFuzz(stdout: string): PartReading {
  const lines = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as FuzzLine)
  const missing = surfaceNames.filter((name) => !lines.some(({ run }) => run.surface === name))
  if (missing.length > 0)
    throw new Error(
      `of ${surfaceNames.length} surfaces these were not fuzzed to the end: ${missing.join(', ')}`,
    )
  const sum = (of: (line: FuzzLine) => number): number => lines.reduce((total, line) => total + of(line), 0)
  const worst = (of: (line: FuzzLine) => number): number => Math.max(...lines.map(of))
  const count = lines[0]?.run.count ?? 0
  return {
    figures: {
      surfaces: lines.length,
      inputsEach: count,
      inputs: sum(({ run }) => run.count),
      /** Taken for work, and not over within the time that is waited for it. */
      held: sum(({ run }) => run.held),
      /** A 5xx that the documents call temporary. */
      unavailable: sum(({ run }) => run.unavailable),
    },
    checks: [
      none(
        'inputs answered wrongly (a crash, a 5xx, silence)',
        sum(({ run }) => run.failed),
      ),
      none(
        'bugs in the log, and deaths of the coordinator',
        sum(({ bugs }) => bugs.length),
      ),
      none(
        'calls of good callers that failed beside it',
        sum(({ felt }) => felt?.meanwhile.failed ?? 0),
      ),
      atMost(
        'memory taken on by the worst surface',
        worst((line) => line.residentAfterMib - line.residentBeforeMib),
        50,
        'MiB',
      ),
      atMost('p99 of good callers beside it, worst surface', worst(slower), 2, 'times'),
    ],
    notRun:
      count >= 100_000
        ? []
        : [`${count} inputs a surface, not 100,000: \`npm run bench -- fuzz --count 100000\``],
  }
}

function slower({ run, felt }: FuzzLine): number {
  if (felt === null) return 0
  const ratioOf = (kind: Kind): number => {
    const [before, during] = [felt.inOrder[kind], felt.meanwhile[kind]]
    if (before.count === 0 || during.count === 0)
      throw new Error(`beside '${run.surface}' no call of ${kind} was answered: nothing to compare`)
    return during.p99Ms / before.p99Ms
  }
  return Math.max(ratioOf('health'), ratioOf('chat'))
}
