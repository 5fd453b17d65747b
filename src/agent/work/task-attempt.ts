/**
 * One attempt of a task at this node, by its fence.
 *
 *   fetching → ready → running → committing → sending → delivering → (answered: over)
 *
 * From anywhere before it is over it may fail (`failing`, until that is answered), or be over at once: cancelled, or refused.
 */
import type { OutputFile } from '#protocol/task.ts'
import type { TaskFailure } from '#protocol/task-failure.ts'
import type { TaskGrant, WorkSay } from '#protocol/work-link.ts'
import type { HeldInputs, KeptResult } from './work-ports.ts'

export type Stage = 'fetching' | 'ready' | 'running' | 'committing' | 'sending' | 'delivering' | 'failing'

export interface TaskAttempt {
  grant: TaskGrant
  stage: Stage
  readonly abort: AbortController
  /** Of the work; never falls. */
  fraction: number
  /** When it began to run, by the elapsed clock. */
  startedAtMs: number
  inputs: HeldInputs | null
  folder: string | null
  outputs: readonly OutputFile[]
  wallMs: number
  failure: TaskFailure | null
  /** When its last word was said, by the elapsed clock; it is said again until it is answered. */
  saidAtMs: number
}

export const newAttempt = (grant: TaskGrant): TaskAttempt => ({
  grant,
  stage: 'fetching',
  abort: new AbortController(),
  fraction: 0,
  startedAtMs: 0,
  inputs: null,
  folder: null,
  outputs: [],
  wallMs: 0,
  failure: null,
  saidAtMs: 0,
})

/** One that a process before this one made, and nobody has taken yet. */
export const keptAttempt = ({ grant, folder, files, wallMs }: KeptResult): TaskAttempt => ({
  ...newAttempt(grant),
  ...{ stage: 'committing', fraction: 1, folder, outputs: files, wallMs },
})

/** What is to be said until it is answered; `null` while there is nothing. */
export function wordOf({ grant, stage, outputs, wallMs, failure }: TaskAttempt): WorkSay | null {
  const { fence } = grant
  if (stage === 'committing') return { kind: 'commit', fence, outputs: [...outputs], wallMs }
  if (stage === 'delivering') return { kind: 'deliver', fence }
  return stage === 'failing' && failure ? { kind: 'fail', fence, failure } : null
}

/** Whether it has not been begun. */
export const isWaiting = ({ stage }: TaskAttempt): boolean => stage === 'fetching' || stage === 'ready'

/** Whether it is made, and its result is not taken yet. */
export const isOnItsWay = ({ stage }: TaskAttempt): boolean =>
  stage === 'committing' || stage === 'sending' || stage === 'delivering'

/** How long it will run yet, by what it told, else by its estimate. */
export function remainingMs({ grant, fraction, startedAtMs }: TaskAttempt, nowMs: number): number {
  const elapsedMs = nowMs - startedAtMs
  if (fraction > 0.05) return (elapsedMs * (1 - fraction)) / fraction
  return Math.max(0, grant.estimateMs - elapsedMs)
}
