import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ADVICE_PATHS, adviseNetworks } from '../../src/economics/advisor.ts'
import { assess } from '../../src/economics/economics.ts'
import { simulate } from '../../src/economics/simulate.ts'
import { shippedCatalogue } from '../../src/economics/test-catalogue.ts'
import type { Answer, Job } from './economics-worker.ts'
import { QUICK_PATHS, type Thread } from './forecast-runner.ts'
import { RoiStore, type Shown } from './roi-store.ts'

const catalogue = shippedCatalogue()
const NOW_MS = Date.UTC(2026, 10, 22)
const LINK = '?gpu=RTX+4090&kwh=0.12'

test('a page without a GPU asks for one and computes nothing', () => {
  const { shown, jobs } = setup('')
  assert.deepEqual([shown().kind, jobs()], ['fresh', []])
})

test('a link is answered at once with few futures, and at rest with all of them and the networks', () => {
  const page = setup(LINK)
  page.answerQuick()
  assert.deepEqual(stageOf(page.shown()), ['quick', QUICK_PATHS])
  page.rest()
  page.answerFull()
  assert.deepEqual(stageOf(page.shown()), ['full', 20_000])
  page.answerFull()
  const { advice, isAdviceStale } = page.store.snapshot()
  assert.deepEqual([advice?.kind, isAdviceStale], ['advice', false])
})

test('what is shown at rest is what `shoal roi` computes', () => {
  const page = setup(LINK)
  page.rest()
  page.answerFull()
  const shown = page.shown()
  const expected = assess(catalogue, { gpu: 'RTX 4090', electricityPerKwh: 0.12 }, { nowMs: NOW_MS, seed: 1 })
  assert.deepEqual(shown.kind === 'report' && shown.report, expected)
})

test('while a slider moves, one forecast is under way and only the newest input waits', () => {
  const page = setup(LINK)
  for (const kwh of ['0.13', '0.14', '0.15']) page.store.change({ kwh })
  assert.equal(page.jobs().length, 1)
  page.answerQuick()
  assert.equal(electricityOf(page.shown()), 0.12)
  page.answerQuick()
  assert.equal(electricityOf(page.shown()), 0.15)
  assert.equal(page.jobs().length, 0)
})

test('a change stops the thorough forecast and its comparison in the middle', () => {
  const page = setup(LINK)
  page.rest()
  page.store.change({ kwh: '0.2' })
  assert.equal(page.fullThreads(), 0)
  page.rest()
  page.answerFull()
  assert.equal(electricityOf(page.shown()), 0.2)
  page.answerFull()
  page.store.change({ kwh: '0.25' })
  assert.equal(page.fullThreads(), 1, 'one that has nothing to do is kept')
})

test('an answer that comes when the input is no longer right is not shown', () => {
  const page = setup(LINK)
  page.store.change({ kwh: '12' })
  page.answerQuick()
  const shown = page.shown()
  assert.equal(shown.kind, 'refused')
  page.store.change({ kwh: '0.3' })
  page.answerQuick()
  assert.equal(electricityOf(page.shown()), 0.3)
})

const bad: readonly (readonly [search: string, problems: readonly (readonly [string, RegExp])[]])[] = [
  ['?gpu=RTX+4091&kwh=0.1', [['gpu', /not in the catalogue. Closest are: GeForce RTX 4090/]]],
  ['?gpu=RTX+4090&kwh=-1', [['kwh', /expected from 0 to 3/]]],
  ['?gpu=RTX+4090&kwh=12', [['kwh', /expected from 0 to 3. Did you mean 0.12/]]],
  ['?gpu=RTX+4090&price=0&kwh=0.1', [['price', /nothing to work out/]]],
  ['?gpu=RTX+4090&kwh=0.1&utilisation=0.9&availability=0.5', [['utilisation', /online only 0.5/]]],
  ['?gpu=RTX+4090&kwh=30+EUR', [['usd-per', /say what one EUR is worth/]]],
  [
    '?gpu=RTX+4090&kwh=0.1&foo=1&seed=x',
    [
      ['foo', /Nothing is called "foo"/],
      ['seed', /no seed/],
    ],
  ],
  [
    '?gpu=A&gpu=RTX+4090',
    [
      ['gpu', /more than once/],
      ['gpu', /not in the catalogue/],
    ],
  ],
  ['?gpu=RTX+4090&kwh=0.1&view=none', [['view', /expected own or buy/]]],
  ['?kwh=lots', []],
]

for (const [search, problems] of bad) {
  test(`${search}: every part that cannot be right is named, and nothing is computed`, () => {
    const page = setup(search)
    const shown = page.shown()
    assert.deepEqual(page.jobs(), [])
    if (problems.length === 0) return assert.equal(shown.kind, 'fresh')
    assert.ok(shown.kind === 'refused')
    assert.deepEqual(
      shown.problems.map(({ name }) => name),
      problems.map(([name]) => name),
    )
    for (const [index, [, message]] of problems.entries())
      assert.match(shown.problems[index]?.message ?? '', message)
  })
}

test('saying it anew takes back what was wrong with the link', () => {
  const page = setup('?gpu=A&gpu=RTX+4090&kwh=0.1')
  page.store.change({ gpu: 'RTX 4090' })
  page.answerQuick()
  assert.equal(page.shown().kind, 'report')
})

test('what is not known is named, and nothing is computed without it', () => {
  const shown = setup('?gpu=Tesla+P40&kwh=0.1').shown()
  assert.ok(shown.kind === 'report' && shown.report.forecast === null)
  assert.deepEqual(
    shown.report.unknowns.map(({ name }) => name),
    ['price', 'purchase'],
  )
})

test('the address follows once the numbers rest, with all that was said and no more', () => {
  const page = setup(LINK)
  page.store.change({ utilisation: '0.6' })
  page.store.change({ utilisation: '0.7' })
  page.store.change({ kwh: null, country: 'DE' })
  assert.deepEqual(page.searches, [])
  page.rest()
  assert.deepEqual(page.searches, ['gpu=RTX+4090&country=DE&utilisation=0.7'])
})

const stageOf = (shown: Shown) =>
  shown.kind === 'report' ? [shown.stage, shown.report.forecast?.paths] : [shown.kind, null]
const electricityOf = (shown: Shown) =>
  shown.kind === 'report' ? shown.report.terms?.electricityUsdPerKwh : undefined

/** A thread that does its jobs when the test says so. */
class ManualThread implements Thread {
  readonly jobs: Job[] = []
  onmessage: ((event: MessageEvent<Answer>) => void) | null = null
  isOver = false

  postMessage(job: Job): void {
    if (job.kind === 'know') assert.equal(job.catalogue, catalogue)
    else this.jobs.push(job)
  }

  terminate(): void {
    this.isOver = true
  }

  answerOne(): void {
    const job = this.jobs.shift()
    assert.ok(job && job.kind !== 'know', 'nothing is asked')
    const data: Answer =
      job.kind === 'simulate'
        ? { kind: 'simulated', simulation: simulate(job.input, job.seed) }
        : {
            kind: 'advised',
            advice: adviseNetworks(catalogue, { ...job.question, paths: Math.min(300, ADVICE_PATHS) }),
          }
    this.onmessage?.({ data } as MessageEvent<Answer>)
  }
}

function setup(search: string) {
  const threads: ManualThread[] = []
  const timers = new Set<() => void>()
  const searches: string[] = []
  const store = new RoiStore({
    catalogue,
    search,
    nowMs: () => NOW_MS,
    startThread() {
      const thread = new ManualThread()
      threads.push(thread)
      return thread
    },
    after(_delayMs, run) {
      const timer = () => run()
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    onSearch: (text) => void searches.push(text),
  })
  const [quick] = threads
  assert.ok(quick)
  const living = () => threads.slice(1).filter(({ isOver }) => !isOver)
  return {
    store,
    searches,
    shown: () => store.snapshot().shown,
    jobs: () => threads.filter(({ isOver }) => !isOver).flatMap(({ jobs }) => jobs),
    fullThreads: () => living().length,
    answerQuick: () => quick.answerOne(),
    answerFull: () => living().at(-1)?.answerOne(),
    /** Time passes: everything that waits for it happens. */
    rest() {
      for (const timer of timers) {
        timers.delete(timer)
        timer()
      }
    },
  }
}
