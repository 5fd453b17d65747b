/**
 * In which order `npm test` runs the test files. It is only a matter of time: a file that stands nowhere here runs too,
 * after those that do.
 */

/**
 * Those that take longest, longest first, by `time node --test FILE`: so that none of them is left alone on one core at
 * the end.
 */
export const LONGEST: readonly string[] = [
  'src/sim/simulate.test.ts',
  'src/sim/simulate-more.test.ts',
  'src/sim/forecast-run.test.ts',
  'test/e2e/previous-build.test.ts',
  'test/mutants/mutants.test.ts',
  'test/e2e/tarball.test.ts',
  'test/e2e/slow-readers.test.ts',
  'test/e2e/takeover.test.ts',
  'test/e2e/crashes.test.ts',
  'test/e2e/organisations.test.ts',
  'test/e2e/batches.test.ts',
  'test/e2e/failover.test.ts',
  'test/e2e/render.test.ts',
  'test/e2e/bad-start.test.ts',
  'test/e2e/reaching-out.test.ts',
  'test/e2e/observability.test.ts',
  'test/e2e/joining.test.ts',
  'test/e2e/serving.test.ts',
  'test/e2e/authorisation.test.ts',
  'test/e2e/fuzz.test.ts',
  'src/host/node/pglite-store.test.ts',
]

/** These use about a third of a core while they run, longest first. */
export const WAITING: readonly string[] = [
  'test/e2e/roi-page.test.ts',
  'test/e2e/render-command.test.ts',
  'test/e2e/models.test.ts',
  'test/e2e/quotes.test.ts',
  'src/engines/blender/blender-engine.test.ts',
  'src/run/local-scenes.test.ts',
  'test/e2e/netns.test.ts',
  'test/e2e/backstop.test.ts',
  'test/e2e/jobs.test.ts',
  'src/engines/blender/blender-sandbox.test.ts',
  'test/e2e/full-disk.test.ts',
  'test/e2e/batch-gateways.test.ts',
  'test/e2e/preferences.test.ts',
  'test/e2e/budget-alerts.test.ts',
]

/** These compute all the time. */
const COMPUTING = /^src\/sim\/|^test\/mutants\//
/** About how many cores a file uses while it runs. */
const SHARES = { computing: 1, waiting: 0.35, e2e: 0.6, other: 0.7 }
const AT_ONCE_MAX = 4

const shareOf = (file: string): number => {
  if (WAITING.includes(file)) return SHARES.waiting
  if (COMPUTING.test(file)) return SHARES.computing
  return file.startsWith('test/e2e/') ? SHARES.e2e : SHARES.other
}

/**
 * Takes the first of `queue` for which those that are `running` leave enough of so many cores, so that each meets its limits of time;
 * undefined where all have to wait.
 */
export function takeNext(queue: string[], running: readonly string[], cores: number): string | undefined {
  if (running.length >= AT_ONCE_MAX) return undefined
  const leftOver = running.reduce((left, file) => left - shareOf(file), cores)
  const at = running.length === 0 ? 0 : queue.findIndex((file) => shareOf(file) <= leftOver + 1e-9)
  return at === -1 ? undefined : queue.splice(at, 1)[0]
}

/** The same files in the order in which they begin: those that are named here, then the kinds that often take long. */
export function inOrder(files: readonly string[]): string[] {
  const named = [...LONGEST, ...WAITING]
  const place = (file: string): number => {
    const at = named.indexOf(file)
    const isLong = /^test\/e2e\/|^src\/sim\//.test(file)
    return at === -1 ? named.length + (isLong ? 0 : 1) : at
  }
  return files.toSorted((a, b) => place(a) - place(b) || (a < b ? -1 : 1))
}
