/** A quote as the API shows it. */
import type { Quote } from '#protocol/job.ts'
import { whyTask } from '#work/why.ts'
import type { Turn } from '../turn.ts'
import type { KeptQuote } from './kept-quote.ts'
import { machinesOf, nodesFor, type RenderScore, uncheckedNodes, whyNoNode } from './quote-fleet.ts'
import { whySentence } from './why-sentence.ts'
import type { WorkDesk } from './work-desk.ts'

export interface QuoteAround {
  readonly desk: Pick<WorkDesk, 'floor' | 'limits' | 'around'>
  readonly renderScore: RenderScore
}

export function toQuote(quote: KeptQuote, { desk, renderScore }: QuoteAround, turn: Turn): Quote {
  const { quoteId, ask, status, steps, pricePerHour, expiresAtMs, figures } = quote
  const around = { desk, nowMs: turn.nowMs }
  // Of the step with the most tasks: few jobs have more than one that counts.
  const largest = steps.reduce((most, step) => (step.tasks.length > most.tasks.length ? step : most))
  const nodes = nodesFor(quote, largest, around)
  const totals = figures?.totals
  return {
    quoteId,
    name: ask.name,
    tier: ask.tier,
    status,
    reason: reasonOf(quote, desk, turn),
    tasks: steps.reduce((sum, { tasks }) => sum + tasks.length, 0),
    previews: previewsOf(quote),
    referenceSeconds: totals?.referenceSeconds ?? null,
    wallSeconds: totals?.wallSeconds ?? null,
    nodes: nodes.length,
    price: totals?.price ?? null,
    cap: totals?.cap ?? null,
    pricePerHour,
    expiresAtMs,
    machines: machinesOf(nodes, turn.state.fleet, renderScore),
    unchecked: uncheckedNodes(quote, largest, around),
  }
}

function reasonOf(quote: KeptQuote, desk: QuoteAround['desk'], turn: Turn): string | null {
  if (quote.failure !== null) return quote.failure
  const around = { desk, nowMs: turn.nowMs }
  for (const step of quote.steps) {
    const reason = whyNoNode(quote, step, around)
    if (reason !== null) return reason
  }
  return quote.status === 'measuring' ? whatProbesWaitFor(quote, desk, turn) : null
}

function whatProbesWaitFor(
  { round }: KeptQuote,
  desk: QuoteAround['desk'],
  { state, nowMs }: Turn,
): string | null {
  const job = round && state.work.jobs.get(round.jobId)
  if (!job) return null
  const step = job.steps.findIndex(({ tasksOpen }) => tasksOpen > 0)
  const task = job.steps[step]?.tasks.findIndex(({ state: is }) => is !== 'done') ?? -1
  if (step === -1 || task === -1) return null
  const place = { step, task }
  return whySentence(job, place, whyTask(desk.around({ state }), job, { ...place, nowMs }))
}

function previewsOf({ probed }: KeptQuote): Quote['previews'] {
  return probed.flatMap(({ step, series, pictures }) =>
    series.ats.map((at) => {
      const picture = pictures.get(at)
      return {
        step,
        params: picture?.params ?? { ...series.params, frame: at },
        file: picture?.file ?? null,
      }
    }),
  )
}
