/** A quote as people read it. */
import type { z } from 'zod'
import { formatDuration, SECOND_MS } from '#kernel/time.ts'
import type { Quote } from '#protocol/job.ts'
import { formatCount, formatNoun } from '../format.ts'
import { formatCost } from '../jobs/job-words.ts'

export type QuoteFacts = z.output<typeof Quote>

/** Name and value a line; `what` is the first line, said by whoever asked. */
export function quoteFields(quote: QuoteFacts, what: string, cap: bigint | null): [string, string][] {
  const { referenceSeconds, wallSeconds, price, nodes, tier, pricePerHour } = quote
  const held = cap ?? quote.cap
  return [
    ['work', what],
    ...(referenceSeconds === null
      ? []
      : [
          [
            'reference-seconds',
            `${seconds(referenceSeconds.p10)} to ${seconds(referenceSeconds.p90)}, most likely ${seconds(referenceSeconds.p50)} (P10, P90, P50)`,
          ] as [string, string],
        ]),
    [
      'time',
      nodes === 0 || wallSeconds === null
        ? (quote.reason ?? 'no node would take it now: it waits for one')
        : `${span(wallSeconds.p10, wallSeconds.p90)} on ${formatNoun(nodes, 'node')}`,
    ],
    ...(price === null
      ? []
      : [
          [
            'price',
            `${formatCost(price.p10)} to ${formatCost(price.p90)}, most likely ${formatCost(price.p50)}`,
          ] as [string, string],
        ]),
    ...machinesField(quote),
    ...checksField(quote),
    ['tier', `${tier}, ${formatCost(pricePerHour)} per reference hour`],
    [
      'cap',
      held === null ? 'none' : `${formatCost(held)}${cap === null ? '' : ', your budget'}: never billed more`,
    ],
  ]
}

/** Said only where something is not checked, so that nobody finds it out from the bill. */
function checksField({ nodes, unchecked = 0 }: QuoteFacts): [string, string][] {
  if (nodes === 0 || unchecked === 0) return []
  const who = unchecked >= nodes ? 'none' : `none of what ${formatNoun(unchecked, 'node')} of ${nodes} render`
  return [
    [
      'checks',
      `${who}: no node of another owner is there to render a part of it again. It counts, marked unverified; look at the pictures`,
    ],
  ]
}

type Machine = NonNullable<QuoteFacts['machines']>[number]
const MACHINES_MAX = 3

/** Speeds, and beside them the weights that Render Network published for such GPUs. */
function machinesField({ machines = [] }: QuoteFacts): [string, string][] {
  const kinds = [...new Set(machines.map(machineText))]
  if (kinds.length === 0) return []
  const left = kinds.length - MACHINES_MAX
  const more = left > 0 ? [`and ${left} other kinds`] : []
  return [['machines', [...kinds.slice(0, MACHINES_MAX), ...more].join('; ')]]
}

function machineText({ speed, gpu, renderScore }: Machine): string {
  const score = renderScore === null ? 'no published score' : `Render's score ${renderScore}`
  return `${gpu ?? 'CPU'} at speed ${Number(speed.toPrecision(2))} (${score})`
}

/** Seconds of work: `46.1`, `1,240`. */
const seconds = (value: number): string =>
  value >= 100 ? formatCount(Math.round(value)) : value >= 1 ? value.toFixed(1) : value.toPrecision(2)

function span(from: number, to: number): string {
  const [low, high] = [formatDuration(from * SECOND_MS), formatDuration(to * SECOND_MS)]
  return low === high ? low : `${low} to ${high}`
}

/** That a budget is likely too small, and what happens then; `null` when it is not. */
export function budgetWarning(quote: QuoteFacts, cap: bigint | null): string | null {
  if (cap === null || quote.price === null || cap >= quote.price.p50) return null
  const share = quote.price.p50 === 0n ? 0 : Number((cap * 100n) / quote.price.p50)
  return `The budget likely pays for about ${share} % of it. The job pauses there with what is done, and goes on when its cap is raised.`
}
