/** Which node suits which work: who is barred and why, and of those who are not, who is best. */
import { divideUp, type NanoUsd } from '#kernel/money.ts'
import { survival } from '#kernel/survival.ts'
import { HOUR_MS, type TimestampMs } from '#kernel/time.ts'
import { isClassEnough } from '#protocol/node-class.ts'
import type { Floor, FloorNode, NodeFacts, NodeTerms } from './floor.ts'
import {
  type Attempt,
  type Job,
  type NodeRecord,
  paceOf,
  type Step,
  stepOf,
  type Task,
  taskOf,
} from './work.ts'
import type { WorkLimits } from './work-limits.ts'

/** Why a node is not given a job's step. */
export type Bar =
  | 'drained'
  | 'kind_missing'
  | 'device_other'
  | 'memory_short'
  | 'vram_short'
  | 'price_low'
  | 'class_low'
  | 'audits_only'
  | 'same_owner'
  | 'failed_often'
  | 'condemned'

/** What bars a node from a job: there need not be one yet. */
export type BarJob = Pick<Job, 'pricePerHour' | 'minClass' | 'purpose' | 'barred' | 'failures'>

export function barOf(
  { facts }: FloorNode,
  {
    job,
    step,
    nowMs,
    limits,
  }: {
    job: BarJob
    step: Pick<Step, 'requirements' | 'settings' | 'notOfOrganisations'>
    nowMs: TimestampMs
    limits: WorkLimits
  },
): Bar | null {
  if (facts.isDrained) return 'drained'
  const { kind, memoryMib, vramMib } = step.requirements
  if (!facts.kinds.includes(kind)) return 'kind_missing'
  const device = deviceOf(step)
  if (device !== null && device !== (facts.device ?? CPU)) return 'device_other'
  if (facts.memoryMib < memoryMib) return 'memory_short'
  if (facts.vramMib < vramMib && !isVramUnknown(facts)) return 'vram_short'
  if (termsFor(facts, step).askPerHour > job.pricePerHour) return 'price_low'
  if (!isClassEnough(facts.nodeClass ?? 'community', job.minClass ?? 'community')) return 'class_low'
  if (facts.onlyAudits && job.purpose !== 'audit') return 'audits_only'
  const { organisationId } = facts
  if (organisationId !== undefined && step.notOfOrganisations?.includes(organisationId)) return 'same_owner'
  if (job.barred.has(facts.nodeId)) return 'condemned'
  const failures = job.failures.get(facts.nodeId)
  if (!failures || failures.count < limits.nodeFailuresMax) return null
  return nowMs - failures.atMs < limits.forgiveMs ? 'failed_often' : null
}

const CPU = 'CPU'

/** What the step is to be rendered on; `null` where nothing of it is. */
export function deviceOf({ requirements, settings }: Pick<Step, 'requirements' | 'settings'>): string | null {
  if (requirements.kind !== 'blender') return null
  const { device } = settings
  return typeof device === 'string' ? device : CPU
}

/** Of cards of some makers nothing tells how much they have. */
const isVramUnknown = ({ vramMib, device = CPU }: NodeFacts): boolean => vramMib === 0 && device !== CPU

/** What the node's time is worth in the step: a GPU renders, and all else is done by the processor beside it. */
export const termsFor = (facts: NodeFacts, { requirements }: Pick<Step, 'requirements'>): NodeTerms =>
  requirements.kind === 'blender' ? facts : (facts.cpu ?? facts)

/** By how much the estimates were low so far; the customer's bill follows them only so far. */
const CHARGE_PACE_MAX = 1.25

/** What `referenceMs` of the job's work costs. */
export const costOf = ({ pricePerHour }: Pick<Job, 'pricePerHour'>, referenceMs: number): NanoUsd =>
  divideUp(pricePerHour * BigInt(Math.round(referenceMs)), BigInt(HOUR_MS))

/** The most that the task may cost. */
export const costMaxOf = (job: Job, task: Task): NanoUsd =>
  costOf(
    job,
    task.isPriceFixed
      ? task.referenceMs
      : Math.ceil(task.referenceMsP90 * Math.min(CHARGE_PACE_MAX, Math.max(1, paceOf(job)))),
  )

/** How long the task takes a node of this speed. */
export const durationMs = (job: Job, task: Task, speed: number): number =>
  (task.referenceMs * paceOf(job)) / speed

/** The share of what a node was given that it brought to an end; a new one has the benefit of the doubt. */
const reliability = ({ done, lost, failed }: NodeRecord): number => (done + 9) / (done + lost + failed + 10)

const STANDING_AT_FIRST = 0.9
/** However badly it stands, it is given what nobody else can take. */
const STANDING_MIN = 0.05

/** Tasks over which a node's download of a step's inputs is spread. */
const TASKS_PER_VISIT = 8

/**
 * How well the work suits the node: speed × the chance that it lives to the end × its record with tasks and its standing × what of its time is work and
 * not fetching inputs × how little of its memory lies idle, by its ask.
 */
export function scoreOf(
  { facts, cached }: FloorNode,
  { job, step, record, nowMs }: { job: Job; step: Step; record: NodeRecord | undefined; nowMs: TimestampMs },
): number {
  const [task] = step.tasks
  const { speed, askPerHour } = termsFor(facts, step)
  const workMs = task ? durationMs(job, task, speed) : 1
  const fetchMs = cached.has(step.inputRoot) ? 0 : (step.inputBytes * 1_000) / facts.bytesPerSecond
  const spreadMs = TASKS_PER_VISIT * workMs
  const alive = survival(nowMs - facts.upSinceMs, workMs + fetchMs)
  const useful = spreadMs / (spreadMs + fetchMs)
  return (
    (speed *
      alive *
      (record ? reliability(record) : 0.9) *
      Math.max(STANDING_MIN, facts.standing ?? STANDING_AT_FIRST) *
      useful *
      fitOf(facts, step)) /
    Math.max(1, Number(askPerHour))
  )
}

/** From a half to 1: a large machine is left for what needs one. */
function fitOf(facts: FloorNode['facts'], { requirements }: Step): number {
  const ofMemory = facts.memoryMib > 0 ? requirements.memoryMib / facts.memoryMib : 1
  const ofVram = facts.vramMib > 0 ? requirements.vramMib / facts.vramMib : 1
  return 0.5 + (ofMemory + ofVram) / 4
}

/**
 * Whether every node that could do the task failed it, failed too often or was condemned. With no such node at all it is
 * not: the task waits for one. Nor is it while nodes come back to a coordinator that has just started.
 */
export function isTriedEverywhere(
  { floor, limits }: { readonly floor: Floor; readonly limits: WorkLimits },
  tried: {
    readonly job: Job
    readonly step: number
    readonly task: Task
    /** Failed it just now. */
    readonly lastNodeId: string | null
    readonly nowMs: TimestampMs
  },
): boolean {
  const { job, task, lastNodeId, nowMs } = tried
  if (floor.isFilling(job.submittedAtMs, nowMs)) return false
  const step = stepOf(job, tried.step)
  let isAny = false
  for (const node of floor.nodes()) {
    const bar = barOf(node, { job, step, nowMs, limits })
    const { nodeId } = node.facts
    const isOut =
      bar === 'failed_often' ||
      bar === 'condemned' ||
      nodeId === lastNodeId ||
      task.failedNodes.includes(nodeId)
    if (isOut) isAny = true
    else if (bar === null) return false
  }
  return isAny
}

/** So many others, so that a task does not come to wait for one machine that is switched off. */
const OTHERS_MIN = 2

/** Whether some nodes that live may have the attempt's task, beside its own. */
export function hasOthers(
  { floor, limits }: { readonly floor: Floor; readonly limits: WorkLimits },
  { job, attempt, nowMs }: { readonly job: Job; readonly attempt: Attempt; readonly nowMs: TimestampMs },
): boolean {
  const step = stepOf(job, attempt.step)
  const { failedNodes } = taskOf(job, attempt)
  let others = 0
  for (const node of floor.nodes()) {
    const { nodeId } = node.facts
    if (nodeId === attempt.nodeId || failedNodes.includes(nodeId) || !floor.isAlive(nodeId, nowMs)) continue
    if (barOf(node, { job, step, nowMs, limits }) === null && ++others === OTHERS_MIN) return true
  }
  return false
}
