/** A quote in memory, from the question to the figures: what is probed of it, and what that came to. */
import { assert } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { AskQuote } from '#protocol/job.ts'
import type { OutputFile, TaskParams } from '#protocol/task.ts'
import { fitCost, type Probe } from '#work/estimate.ts'
import { estimateStep, type MeasuredSeries, type StepEstimate } from '#work/estimate-step.ts'
import { type IdentifiedStep, stepShape } from '#work/plan-job.ts'
import { nextRound, type ProbeTask, type Series, seriesOf } from '#work/probe-plan.ts'
import type { QuoteTotals } from '#work/quote-totals.ts'
import { taskKey } from '#work/task-identity.ts'
import { tierTerms } from '#work/tier.ts'
import { type Job, type Result, taskOf, type Work } from '#work/work.ts'
import type { JobPlan, PlannedStep } from '#work/work-events.ts'

export interface KeptQuote {
  readonly quoteId: string
  readonly organisationId: string
  readonly ask: Omit<AskQuote, 'steps'>
  readonly steps: readonly IdentifiedStep[]
  readonly pricePerHour: NanoUsd
  readonly askedAtMs: TimestampMs
  readonly expiresAtMs: TimestampMs
  readonly probed: readonly ProbedSeries[]
  /** Nodes that made a probe of it: what they load first is loaded. */
  readonly warm: Set<string>
  /** What runs for it now. */
  round: Round | null
  rounds: number
  /** How long nodes were at its probes, as far as it was looked at; what waits behind another's task takes none of it. */
  ranMs: number
  sweptAtMs: TimestampMs
  /** When somebody asked for it last. */
  readAtMs: TimestampMs
  status: 'measuring' | 'ready' | 'failed'
  /** Why it failed. */
  failure: string | null
  figures: Figures | null
}

export interface ProbedSeries {
  readonly step: number
  readonly key: string
  readonly series: Series
  readonly probes: Probe[]
  /** The largest picture of each place. */
  readonly pictures: Map<
    number,
    { readonly share: number; readonly params: TaskParams; readonly file: OutputFile }
  >
}

export interface Round {
  readonly jobId: string
  readonly plan: JobPlan
  /** Of the plan's steps and tasks, in their order. */
  readonly tasks: readonly (readonly { readonly of: ProbedSeries; readonly task: ProbeTask }[])[]
}

export interface Figures {
  readonly steps: readonly StepEstimate[]
  readonly totals: QuoteTotals
}

/** A quote of which something is wrong with every probe ends after so many rounds. */
const ROUNDS_MAX = 6
/** Until a node that has a probe is thought to hang: ten times as long. */
const GUESS_P90 = 4
/** First in line of all that the network runs for itself. */
const PRIORITY = 50

export const seriesToProbe = (steps: readonly IdentifiedStep[]): readonly ProbedSeries[] =>
  steps.flatMap((step, index) =>
    [...seriesOf(step)].map(([key, series]) => ({
      step: index,
      key,
      series,
      probes: [],
      pictures: new Map(),
    })),
  )

/** What to run next for the quote, or `null` where enough is known: what was run before, for any quote, is taken over. */
export function nextProbes(quote: KeptQuote, work: Work, newJobId: () => string): Round | null {
  while (quote.rounds < ROUNDS_MAX) {
    quote.rounds++
    const wanted = quote.probed.flatMap((of) => nextRound(of.series, of.probes).map((task) => ({ of, task })))
    if (wanted.length === 0) return null
    const fresh = wanted.filter(({ of, task }) => !takeOver(quote, { of, task }, work))
    if (fresh.length > 0) return roundOf(quote, fresh, newJobId())
  }
  return null
}

/** Whether this very probe was run already. */
function takeOver(
  quote: KeptQuote,
  { of, task }: { of: ProbedSeries; task: ProbeTask },
  work: Work,
): boolean {
  const step = quote.steps[of.step]
  assert(step, 'what is probed is a step of the quote')
  const place = work.results.get(taskKey(quote, step, task))
  const job = place && work.jobs.get(place.jobId)
  const result = job && taskOf(job, place).result
  if (!result || result.fence === 0) return false
  note(of, { task, result, isCold: isFirstOf(job, result) })
  return true
}

/** Of what its node made for the job. */
const isFirstOf = (job: Job, { fence, nodeId }: Result): boolean =>
  job.steps.every(({ tasks }) =>
    tasks.every(({ result }) => result?.nodeId !== nodeId || result.fence >= fence),
  )

function roundOf(
  quote: KeptQuote,
  wanted: readonly { of: ProbedSeries; task: ProbeTask }[],
  jobId: string,
): Round {
  const steps = [...new Set(wanted.map(({ of }) => of.step))]
  const tasks = steps.map((step) => wanted.filter(({ of }) => of.step === step))
  const { organisationId, pricePerHour, ask } = quote
  const plan: JobPlan = {
    jobId,
    organisationId,
    name: ask.name,
    priority: PRIORITY,
    cap: null,
    pricePerHour,
    isIdempotent: true,
    isVerified: false,
    purpose: 'probe',
    minClass: tierTerms[ask.tier].minClass,
    tier: ask.tier,
    steps: steps.map((step, at) => probeStep(quote.steps[step], tasks[at] ?? [])),
  }
  return { jobId, plan, tasks }
}

function probeStep(
  step: IdentifiedStep | undefined,
  wanted: readonly { readonly task: ProbeTask }[],
): PlannedStep {
  assert(step, 'what is probed is a step of the quote')
  return {
    ...stepShape(step),
    dependsOn: [],
    tasks: wanted.map(({ task: { params, referenceMs } }) => ({
      params,
      referenceMs,
      referenceMsP90: referenceMs * GUESS_P90,
    })),
  }
}

/** Notes what the round's tasks took. */
export function collect(quote: KeptQuote, { tasks }: Round, job: Job): void {
  const done = tasks.flatMap((ofStep, step) =>
    ofStep.flatMap(({ of, task }, at) => {
      const result = job.steps[step]?.tasks[at]?.result
      return result ? [{ of, task, result }] : []
    }),
  )
  for (const { of, task, result } of done.toSorted((a, b) => a.result.fence - b.result.fence)) {
    const isCold = !quote.warm.has(result.nodeId)
    quote.warm.add(result.nodeId)
    note(of, { task, result, isCold })
  }
}

function note(
  { probes, pictures }: ProbedSeries,
  { task, result, isCold }: { task: ProbeTask; result: Result; isCold: boolean },
): void {
  const { at, share, params } = task
  probes.push({ at, share, referenceMs: result.referenceMs, isCold })
  const [file] = result.outputs
  if (file && (pictures.get(at)?.share ?? 0) < share) pictures.set(at, { share, params, file })
}

/** What each step will take, once nothing more is to be probed; `null` where a series has no probe at all. */
export function estimateAll({ steps, probed }: KeptQuote): readonly StepEstimate[] | null {
  if (probed.some(({ probes }) => probes.length === 0)) return null
  return steps.map((step, index) => {
    const measured = new Map<string, MeasuredSeries>()
    for (const { step: of, key, series, probes } of probed)
      if (of === index) measured.set(key, { model: fitCost(probes), samplesMax: series.samplesMax })
    return estimateStep(step, { measured, results: resultsFor(step, steps) })
  })
}

/** How many tasks' results each task of the step takes in. */
const resultsFor = (step: IdentifiedStep, steps: readonly IdentifiedStep[]): number =>
  step.takesResults
    ? step.dependsOn.reduce(
        (sum, name) => sum + (steps.find((other) => other.name === name)?.tasks.length ?? 0),
        0,
      )
    : 0
