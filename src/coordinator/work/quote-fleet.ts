/** Who would take a quote's steps now, how quick they are, and why the others would not. */
import type { Fleet } from '#fleet/fleet.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { Quote } from '#protocol/job.ts'
import type { NodeFacts } from '#work/floor.ts'
import { type Bar, type BarJob, barOf, deviceOf, termsFor } from '#work/placement.ts'
import type { IdentifiedStep } from '#work/plan-job.ts'
import type { QuoteNode } from '#work/quote-totals.ts'
import { tierTerms } from '#work/tier.ts'
import { auditClass } from './audit-plan.ts'
import type { KeptQuote } from './kept-quote.ts'
import { nodesBarred } from './why-sentence.ts'
import type { WorkDesk } from './work-desk.ts'

/** The weight that Render Network published for a GPU, by its name; `null` where it published none. */
export type RenderScore = (gpuName: string) => number | null

const MACHINES_MAX = 100

/** What the job of the quote would be to nodes. */
const jobOf = ({ pricePerHour, ask }: KeptQuote): BarJob => ({
  pricePerHour,
  minClass: tierTerms[ask.tier].minClass,
  purpose: 'work',
  barred: new Map(),
  failures: new Map(),
})

const needsOf = ({ kind, requirements, settings }: IdentifiedStep) => ({
  requirements: { kind, ...requirements },
  settings,
})

/** Nodes that would take the step now. */
export function nodesFor(
  quote: KeptQuote,
  step: IdentifiedStep,
  { desk: { floor, limits }, nowMs }: { desk: Pick<WorkDesk, 'floor' | 'limits'>; nowMs: TimestampMs },
): QuoteNode[] {
  const job = jobOf(quote)
  return [...floor.nodes()].flatMap((node) => {
    const { nodeId, bytesPerSecond } = node.facts
    const { speed } = termsFor(node.facts, needsOf(step))
    if (!floor.isAlive(nodeId, nowMs) || barOf(node, { job, step: needsOf(step), nowMs, limits })) return []
    const isThere = step.inputRoot === null || node.cached.has(step.inputRoot)
    return [{ nodeId, speed, fetchMs: isThere ? 0 : ((step.inputBytes ?? 0) * 1_000) / bytesPerSecond }]
  })
}

/** Of those that would take the step now, how many nobody of another owner could check, by rendering a part of it again. */
export function uncheckedNodes(
  quote: KeptQuote,
  step: IdentifiedStep,
  around: { desk: Pick<WorkDesk, 'floor' | 'limits'>; nowMs: TimestampMs },
): number {
  const {
    desk: { floor, limits },
    nowMs,
  } = around
  // Of other kinds nothing is rendered again.
  if (step.kind !== 'blender') return 0
  const alive = [...floor.nodes()].filter(({ facts }) => floor.isAlive(facts.nodeId, nowMs))
  const job = jobOf(quote)
  const isCheckedAt = new Map<string, boolean>()
  function isChecked({ organisationId = '', nodeClass = 'community' }: NodeFacts): boolean {
    const known = isCheckedAt.get(`${nodeClass} ${organisationId}`)
    if (known !== undefined) return known
    const audit: BarJob = { ...job, purpose: 'audit', minClass: auditClass(job.minClass, nodeClass) }
    const of = { ...needsOf(step), notOfOrganisations: [organisationId] }
    const found = alive.some((other) => barOf(other, { job: audit, step: of, nowMs, limits }) === null)
    isCheckedAt.set(`${nodeClass} ${organisationId}`, found)
    return found
  }
  return nodesFor(quote, step, around).filter(({ nodeId }) => {
    const node = floor.node(nodeId)
    return node !== undefined && !isChecked(node.facts)
  }).length
}

/** Why no node would take the step now; `null` where one would. */
export function whyNoNode(
  quote: KeptQuote,
  step: IdentifiedStep,
  around: { desk: Pick<WorkDesk, 'floor' | 'limits'>; nowMs: TimestampMs },
): string | null {
  if (nodesFor(quote, step, around).length > 0) return null
  const { floor, limits } = around.desk
  const counts = new Map<Bar | 'silent', number>()
  const small: NodeFacts[] = []
  const devices = new Set<string>()
  for (const node of floor.nodes()) {
    const bar =
      barOf(node, { job: jobOf(quote), step: needsOf(step), nowMs: around.nowMs, limits }) ?? 'silent'
    counts.set(bar, (counts.get(bar) ?? 0) + 1)
    if (bar === 'memory_short') small.push(node.facts)
    if (bar === 'device_other') devices.add(node.facts.device ?? 'CPU')
  }
  const reasons = [...counts].map(([bar, count]) => nodesBarred(bar, count))
  const who = reasons.length > 0 ? reasons.join(', ') : 'no node of the network takes tasks'
  return `No node would take step "${step.name}" (${step.kind}) now: ${who}.${memoryShort(step, small)}${deviceOther(step, devices)}`
}

function deviceOther(step: IdentifiedStep, devices: ReadonlySet<string>): string {
  if (devices.size === 0) return ''
  const others = [...devices].toSorted().join(', ')
  return ` It is to be rendered on ${deviceOf(needsOf(step))}, and those render on ${others}. Ask for that, or wait for a node that has the other.`
}

function memoryShort({ requirements, kind }: IdentifiedStep, small: readonly NodeFacts[]): string {
  const [largest] = small.toSorted((a, b) => b.memoryMib - a.memoryMib || (a.nodeId < b.nodeId ? -1 : 1))
  if (largest === undefined) return ''
  const smaller = kind === 'blender' ? 'Give the scene smaller textures' : 'Ask for less'
  return ` It takes ${requirements.memoryMib} MiB, and the largest of those has ${largest.memoryMib} MiB (${largest.nodeId}). ${smaller}, or wait for a larger node.`
}

/** The machines of those nodes, the fastest first. */
export function machinesOf(
  nodes: readonly QuoteNode[],
  fleet: Pick<Fleet, 'nodes'>,
  renderScore: RenderScore,
): NonNullable<Quote['machines']> {
  return nodes
    .toSorted((a, b) => b.speed - a.speed || (a.nodeId < b.nodeId ? -1 : 1))
    .slice(0, MACHINES_MAX)
    .map(({ nodeId, speed }) => {
      const gpu = fleet.nodes.get(nodeId)?.capability?.gpus[0]?.name ?? null
      return { speed, gpu, renderScore: gpu === null ? null : renderScore(gpu) }
    })
}
