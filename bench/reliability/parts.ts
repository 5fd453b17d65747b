/** The programs behind the rows: scenarios on real processes, scenarios of the simulator, and benches and tests that exist for other ends. */
import { lastJson, type Part, type PartReading } from './part.ts'
import { atMost, type Check, none } from './scenario.ts'

const flags = ({ seed, isQuick }: { seed: number; isQuick: boolean }): string[] => [
  '--seed',
  String(seed),
  ...(isQuick ? ['--quick'] : []),
]

interface Printed {
  readonly figures: Readonly<Record<string, unknown>>
  readonly checks?: readonly Check[]
  readonly notRun?: readonly string[]
  /** Of the simulator: promise by promise. */
  readonly promises?: Readonly<Record<string, boolean>>
  readonly passes: boolean
}

/** A scenario of `bench/reliability/real.ts`. */
export const real = (name: string, limitMinutes = 10): Part => ({
  level: 'real',
  name,
  limitMinutes,
  command: (options) => ['bench/reliability/real.ts', name, ...flags(options), '--json'],
  read: ({ stdout }) => readPrinted(lastJson<Printed>(stdout)),
})

/** A scenario of the simulator. */
export const sim = (name: string, limitMinutes = 30): Part => ({
  level: 'sim',
  name: `sim ${name}`,
  limitMinutes,
  command: (options) => ['src/sim/main.ts', '--reliability', name, ...flags(options), '--json'],
  read: ({ stdout }) => readPrinted(lastJson<Printed>(stdout)),
})

function readPrinted({ figures, checks = [], notRun = [], promises = {}, passes }: Printed): PartReading {
  const kept = Object.entries(promises).map(
    ([what, isPassed]): Check => ({ what, found: isPassed ? 'kept' : 'broken', pass: 'kept', isPassed }),
  )
  const all = [...checks, ...kept]
  const whole: Check = {
    what: 'the scenario',
    found: passes ? 'passed' : 'missed',
    pass: 'passed',
    isPassed: passes,
  }
  return { figures, notRun, checks: all.length > 0 ? all : [whole] }
}

/** Seeds of the simulator with all faults that `npm run sim` draws, each run checked by its invariants. */
export const seeds: Part = {
  level: 'sim',
  name: 'sim seeds',
  limitMinutes: 30,
  command: ({ seed, isQuick }) => [
    'src/sim/main.ts',
    '--seeds',
    isQuick ? '5' : '100',
    '--from',
    String(seed),
  ],
  read({ stdout, code }) {
    const [, count = '0', hours = '0'] = /(\d+) seeds passed: ([\d.]+) simulated hours/.exec(stdout) ?? []
    const figures = { seeds: Number(count), simulatedHours: Number(hours) }
    return { figures, checks: [none('seeds that broke an invariant', code === 0 ? 0 : 1)], notRun: [] }
  },
}

/** `kill -9` of the coordinator's process again and again with many streams under way. */
export const recovery: Part = {
  level: 'real',
  name: 'recovery',
  limitMinutes: 40,
  command: ({ isQuick }) => {
    const [kills, requests] = isQuick ? ['5', '100'] : ['100', '1000']
    return ['bench/recovery.ts', '--json', '--kills', kills, '--requests', requests, '--pause-ms', '2000']
  },
  read({ stdout, code }) {
    const { kills, requests, acceptMs, firstTokenMs, completed, cut } = lastJson<{
      kills: number
      requests: number
      acceptMs: { p50: number; p95: number; max: number }
      firstTokenMs: { p50: number; p95: number; max: number }
      completed: number
      cut: number
    }>(stdout)
    return {
      figures: { kills, requests, acceptMs, firstTokenMs, completed, cut },
      checks: [
        none('readings lost or billed twice, or books that do not balance', code === 0 ? 0 : 1),
        atMost('until it accepts again, at most', acceptMs.max, 2_000, 'ms'),
        atMost('until a new stream’s first token, at most', firstTokenMs.max, 10_000, 'ms'),
      ],
      notRun: [],
    }
  },
}

/** The ledger against a second one of a hundred lines, with deaths within writes. */
export const oracle: Part = {
  level: 'sim',
  name: 'ledger oracle',
  limitMinutes: 30,
  command: ({ seed, isQuick }) => [
    ...['bench/ledger-oracle.ts', '--json', '--seed', String(seed)],
    ...['--operations', isQuick ? '50000' : '1000000'],
  ],
  read({ stdout, code }) {
    const { operations, outcomes, crashes, tornWrites } = lastJson<Record<string, unknown>>(stdout)
    return {
      figures: { operations, outcomes, crashes, tornWrites },
      checks: [none('answers or balances on which the two differ', code === 0 ? 0 : 1)],
      notRun: [],
    }
  },
}

/** Test files that prove a row as they are. */
export const tests = (name: string, files: readonly string[]): Part => ({
  level: 'real',
  name,
  limitMinutes: 15,
  command: () => ['--test', '--test-reporter=tap', '--test-concurrency=1', ...files],
  read({ stdout }) {
    const count = (word: string): number =>
      Number(new RegExp(`^# ${word} (\\d+)`, 'm').exec(stdout)?.[1] ?? 0)
    const [all, failed, skipped] = [count('tests'), count('fail') + count('cancelled'), count('skipped')]
    if (all === 0) throw new Error('no test ran')
    return {
      figures: { tests: all, failed, skipped, files: files.length },
      checks: [none(`of ${all} tests failed`, failed)],
      notRun: skipped === 0 ? [] : [`${skipped} tests were skipped here`],
    }
  },
})

/** Planted bugs, each looked for with free seeds. */
export const mutants: Part = {
  level: 'sim',
  name: 'mutants',
  limitMinutes: 300,
  command: ({ isQuick }) => ['test/mutants/main.ts', '--seeds', isQuick ? '50' : '1000'],
  read({ stdout }) {
    const [, found = '0', planted = '0'] = /(\d+) of (\d+) planted bugs were found/.exec(stdout) ?? []
    if (planted === '0') throw new Error('no bug was planted')
    const escaped = Number(planted) - Number(found)
    return {
      figures: { planted: Number(planted), found: Number(found) },
      checks: [
        none('planted bugs that no seed found', escaped),
        { what: 'planted bugs', found: planted, pass: '≥ 20', isPassed: Number(planted) >= 20 },
      ],
      notRun: [],
    }
  },
}
