/** What the two halves of the SQLite journal say to each other. Each request is answered in the order it was sent. */
import { Problem, type ProblemCode, type ProblemDetails } from '#protocol/problem.ts'

export type ToWorker =
  /** Answered by `appended` or `failed`. */
  | { readonly kind: 'append'; readonly payloads: readonly string[] }
  /** Answered by `entries` or `unreadable`. */
  | { readonly kind: 'read'; readonly fromSequence: number; readonly countMax: number }
  | { readonly kind: 'trim'; readonly sequence: number }
  /** The worker ends. */
  | { readonly kind: 'close' }

export type FromWorker =
  /** The first message is one of these two; after `refused` the worker ends. */
  | ({ readonly kind: 'opened' } & OpenedJournal)
  | { readonly kind: 'refused'; readonly problem: PlainProblem }
  | { readonly kind: 'appended' }
  | { readonly kind: 'failed'; readonly problem: PlainProblem }
  | ({ readonly kind: 'entries' } & EntryColumns)
  | { readonly kind: 'unreadable'; readonly problem: PlainProblem }

export interface OpenedJournal {
  readonly id: string
  readonly epoch: number
  readonly lastSequence: number
}

/** Consecutive entries by column: half the cost of an object each on the way between threads. */
export interface EntryColumns {
  readonly firstSequence: number
  readonly epochs: readonly number[]
  readonly payloads: readonly string[]
}

/** A problem as the structured clone of a message keeps it. */
export interface PlainProblem {
  readonly code: ProblemCode
  readonly message: string
  readonly details: ProblemDetails
}

export const toPlain = ({ code, message, details }: Problem): PlainProblem => ({ code, message, details })

export const fromPlain = ({ code, message, details }: PlainProblem): Problem =>
  new Problem(code, message, { details })
