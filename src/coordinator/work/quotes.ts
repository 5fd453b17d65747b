/**
 * Quotes: what a job would take, found out by running a few of its tasks small. They are kept in memory for an hour: one that
 * a restart forgot is asked for again, and what was probed for it is still there. Probes are jobs of the network's own,
 * which it pays, so each organisation may have only so many.
 */
import type { Clock, Crypto } from '#host/host.ts'
import type { NanoUsd } from '#kernel/money.ts'
import { formatDuration, HOUR_MS, MINUTE_MS, SECOND_MS, type TimestampMs } from '#kernel/time.ts'
import type { AskQuote, NewJob, Quote } from '#protocol/job.ts'
import { Problem } from '#protocol/problem.ts'
import type { Caller } from '#protocol/route.ts'
import { whyNoJob } from '#work/check-ask.ts'
import { identifySteps, planOf } from '#work/plan-job.ts'
import { totalsOf } from '#work/quote-totals.ts'
import { priceOfTier } from '#work/tier.ts'
import { isOver } from '#work/work.ts'
import type { JobPlan, WorkEvent } from '#work/work-events.ts'
import type { Coordinator } from '../coordinator.ts'
import type { Turn } from '../turn.ts'
import { collect, estimateAll, type KeptQuote, nextProbes, seriesToProbe } from './kept-quote.ts'
import { nodesFor, type RenderScore } from './quote-fleet.ts'
import { checkOften, mayMakeRoom, notReady } from './quote-problems.ts'
import { toQuote } from './quote-view.ts'
import type { WorkDesk } from './work-desk.ts'

export interface QuoteDesk {
  /** Throws a `Problem` for what can be no job, and where the organisation asks too often. */
  ask(turn: Turn, asked: { organisationId: string; body: AskQuote; quoteId: string }): Quote
  /** Throws `not_found`. */
  read(turn: Turn, quoteId: string, caller: Caller): Quote
  /** Throws `not_found`, and `conflict` where it is not ready. */
  plan(quote: { caller: Caller; body: NewJob; jobId: string; nowMs: TimestampMs }): JobPlan
  /** Inputs that jobs of its quotes would need. */
  inputRootsOf(organisationId: string): readonly string[]
  close(): void
}

export interface QuoteDeskParts {
  readonly desk: WorkDesk
  readonly coordinator: Pick<Coordinator, 'execute' | 'state'>
  readonly clock: Pick<Clock, 'after'>
  readonly crypto: Pick<Crypto, 'sha256'>
  /** The list price of an hour of a node of speed 1. */
  readonly pricePerHour: NanoUsd
  readonly newJobId: () => string
  readonly renderScore?: RenderScore
}

const KEPT_MS = 1 * HOUR_MS
/** Nodes are at its probes no longer than that, and the time that its inputs take on a slow line. */
const MEASURING_MS_MAX = 15 * MINUTE_MS
/** A line of 8 Mbit/s. */
const INPUT_BYTES_PER_SECOND = 1_000_000
const SWEEP_MS = 10 * SECOND_MS

export function createQuoteDesk(parts: QuoteDeskParts): QuoteDesk {
  const { desk, coordinator, clock, crypto, pricePerHour } = parts
  const quotes = new Map<string, KeptQuote>()
  const byJob = new Map<string, KeptQuote>()
  let isClosed = false
  const sha256 = (text: string): string => Buffer.from(crypto.sha256(text)).toString('hex')
  const view = { desk, renderScore: parts.renderScore ?? (() => null) }

  /** Runs what is to be probed next, or makes up the figures where nothing is. */
  function goOn(turn: Turn, quote: KeptQuote): void {
    const round = nextProbes(quote, turn.state.work, parts.newJobId)
    if (!round) return finish(turn, quote)
    quote.round = round
    byJob.set(round.jobId, quote)
    const refusal = desk.carryOut(turn, { kind: 'submit', plan: round.plan, nowMs: turn.nowMs })
    if (refusal) return fail(turn, quote, `Its probes could not be begun (${refusal}). Ask again later.`)
    desk.serveWaiting(turn)
  }

  function finish(turn: Turn, quote: KeptQuote): void {
    const estimates = estimateAll(quote)
    if (!estimates) return fail(turn, quote, 'No probe of it told how long it took. Ask again later.')
    const around = { desk, nowMs: turn.nowMs }
    const steps = estimates.map((estimate, index) => {
      const step = quote.steps[index]
      const { estimates: tasks, ...errors } = estimate
      return { tasks, ...errors, nodes: step ? nodesFor(quote, step, around) : [] }
    })
    quote.figures = { steps: estimates, totals: totalsOf(steps, quote.pricePerHour) }
    quote.status = 'ready'
  }

  function fail(turn: Turn, quote: KeptQuote, reason: string): void {
    quote.status = 'failed'
    quote.failure = reason
    endRound(turn, quote)
  }

  function endRound(turn: Turn, quote: KeptQuote): void {
    const { round } = quote
    quote.round = null
    if (!round) return
    byJob.delete(round.jobId)
    const job = turn.state.work.jobs.get(round.jobId)
    if (job && !isOver(job)) desk.carryOut(turn, { kind: 'cancel', jobId: job.jobId, nowMs: turn.nowMs })
  }

  function hear(turn: Turn, event: WorkEvent): void {
    const { type } = event
    if (type !== 'work.job_ended' && type !== 'work.job_paused') return
    const quote = byJob.get(event.jobId)
    const round = quote?.round
    if (!quote || !round) return
    if (event.type === 'work.job_paused') return fail(turn, quote, event.detail)
    const job = turn.state.work.jobs.get(event.jobId)
    quote.round = null
    byJob.delete(event.jobId)
    if (job) collect(quote, round, job)
    goOn(turn, quote)
  }

  /** What is older than an hour goes, and what is probed for too long has failed. */
  function sweep(turn: Turn): void {
    for (const quote of quotes.values()) {
      const { expiresAtMs, quoteId } = quote
      noteRun(turn, quote)
      const longestMs = MEASURING_MS_MAX + fetchMsOf(quote)
      if (turn.nowMs >= expiresAtMs) {
        endRound(turn, quote)
        quotes.delete(quoteId)
      } else if (quote.round && quote.ranMs > longestMs) fail(turn, quote, tookTooLong(longestMs))
    }
  }

  /** Of what a coordinator before began for quotes that nobody knows any more. */
  function abandon(turn: Turn): void {
    for (const job of [...turn.state.work.jobs.values()])
      if (job.purpose === 'probe' && !isOver(job))
        desk.carryOut(turn, { kind: 'cancel', jobId: job.jobId, nowMs: turn.nowMs })
  }

  function tick(): void {
    if (isClosed) return
    if (quotes.size > 0) coordinator.execute(sweep, () => {})
    clock.after(SWEEP_MS, tick)
  }

  const visible = (quoteId: string, { scopes, organisationId }: Caller): KeptQuote => {
    const quote = quotes.get(quoteId)
    if (quote && (scopes.includes('operator') || quote.organisationId === organisationId)) return quote
    throw new Problem(
      'not_found',
      `There is no quote ${quoteId}: it is older than an hour, the network has started anew since, or it is another organisation’s. Ask for a new one; what was probed before is not run again.`,
    )
  }

  desk.onEvent(hear)
  coordinator.execute(abandon, () => {})
  clock.after(SWEEP_MS, tick)

  return {
    ask(turn, { organisationId, body, quoteId }) {
      sweep(turn)
      const reason = whyNoJob(body)
      if (reason !== null) throw new Problem('invalid_request', reason)
      const own = [...quotes.values()].filter((quote) => quote.organisationId === organisationId)
      const left = mayMakeRoom(own, turn.nowMs)
      if (left) fail(turn, left, PLACE_TAKEN)
      checkOften(own, body)
      const { steps: asked, ...ask } = body
      const steps = identifySteps(asked, sha256)
      const quote: KeptQuote = {
        quoteId,
        organisationId,
        ask,
        steps,
        pricePerHour: priceOfTier(pricePerHour, body.tier),
        askedAtMs: turn.nowMs,
        expiresAtMs: turn.nowMs + KEPT_MS,
        probed: seriesToProbe(steps),
        warm: new Set(),
        round: null,
        rounds: 0,
        ranMs: 0,
        sweptAtMs: turn.nowMs,
        readAtMs: turn.nowMs,
        status: 'measuring',
        failure: null,
        figures: null,
      }
      quotes.set(quoteId, quote)
      goOn(turn, quote)
      return toQuote(quote, view, turn)
    },
    read(turn, quoteId, caller) {
      sweep(turn)
      const quote = visible(quoteId, caller)
      quote.readAtMs = turn.nowMs
      return toQuote(quote, view, turn)
    },
    plan({ caller, body, jobId }) {
      const quote = visible(body.quoteId, caller)
      const { organisationId, ask, steps, figures } = quote
      if (!figures) throw notReady(quote)
      const withEstimates = steps.map((step, index) => ({
        ...step,
        estimates: figures.steps[index]?.estimates ?? [],
      }))
      const { cap } = figures.totals
      return planOf(
        { ...ask, organisationId, pricePerHour: quote.pricePerHour, cap, steps: withEstimates },
        { ...body, jobId },
      )
    },
    inputRootsOf: (organisationId) =>
      [...quotes.values()].flatMap((quote) =>
        quote.organisationId === organisationId
          ? quote.steps.flatMap(({ inputRoot }) => (inputRoot === null ? [] : [inputRoot]))
          : [],
      ),
    close() {
      isClosed = true
    },
  }
}

const PLACE_TAKEN =
  'Nobody had asked for it for a while, and a newer quote of this organisation took its place. Ask for a new one; what was probed is not run again.'

/** Counts the time since the last look where nodes are at its probes. */
function noteRun({ state, nowMs }: Turn, quote: KeptQuote): void {
  const job = quote.round && state.work.jobs.get(quote.round.jobId)
  const started = [...(job?.fences.keys() ?? [])].flatMap(
    (fence) => state.work.attempts.get(fence)?.startedAtMs ?? [],
  )
  if (started.length > 0) quote.ranMs += nowMs - Math.max(Math.min(...started), quote.sweptAtMs)
  quote.sweptAtMs = nowMs
}

const fetchMsOf = ({ steps }: KeptQuote): number =>
  (Math.max(0, ...steps.map(({ inputBytes = 0 }) => inputBytes)) * SECOND_MS) / INPUT_BYTES_PER_SECOND

const tookTooLong = (longestMs: number): string =>
  `A few frames of it, rendered small, took nodes longer than ${formatDuration(longestMs)}, with what they fetched for them. Make the scene lighter, or ask for fewer samples.`
