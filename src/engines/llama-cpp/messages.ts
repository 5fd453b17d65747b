/** What the engine and its child process say to each other. Both ends are of the same build, so nothing here is versioned. */
import type { DeltaDetail } from '#protocol/delta-detail.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { ProblemCode, ProblemDetails } from '#protocol/problem.ts'
import type { EngineModel } from '../engine.ts'

/** `auto` takes what GPU there is; `false` is the CPU by choice. Asked for a GPU, the engine never runs without one. */
export type GpuChoice = 'auto' | 'cuda' | 'vulkan' | false

export interface LoadOrder {
  readonly type: 'load'
  readonly modelPath: string
  readonly gpu: GpuChoice
  /** Where builds for GPUs lie that npm did not put beside Shoal's other packages; `null`: nowhere. */
  readonly enginesFolder: string | null
  /** `null` leaves one core to the rest of the machine and never takes more than four. */
  readonly threads: number | null
  /** Requests computed at once; halved when memory does not suffice. */
  readonly slots: number
  /** Upper bound of one request's context; the model's own may be shorter. */
  readonly contextTokensMax: number
  /** Requests waiting for a slot beyond which new ones are refused. */
  readonly queueMax: number
}

export type ToChild =
  | LoadOrder
  | { readonly type: 'start'; readonly run: number; readonly request: EngineRequest }
  | { readonly type: 'cancel' | 'pause' | 'resume'; readonly run: number }

export interface ModelReport extends Omit<EngineModel, 'id'> {
  readonly threads: number
  readonly gpu: string | false
}

export type FromChild =
  | { readonly type: 'ready'; readonly model: ModelReport }
  /** It cannot serve. `isFinal`: trying again is of no use until a person changes something. */
  | { readonly type: 'failed'; readonly problem: PlainProblem; readonly isFinal: boolean }
  /** Every second, also when idle. `progress` grows while `working` requests are being computed. */
  | { readonly type: 'tick'; readonly working: number; readonly progress: number }
  /** Everything that happened in one turn of the child's event loop, in order. */
  | { readonly type: 'events'; readonly events: readonly RunEvent[] }

export type RunEvent =
  /** The run got a slot: its prompt is being evaluated. */
  | {
      readonly kind: 'started'
      readonly run: number
      readonly promptTokens: number
      readonly cachedPromptTokens?: number
    }
  | {
      readonly kind: 'delta'
      readonly run: number
      readonly text: string
      readonly tokenIds: readonly number[]
      readonly detail?: DeltaDetail
    }
  | { readonly kind: 'embedding'; readonly run: number; readonly vectors: readonly Float32Array[] }
  | {
      readonly kind: 'end'
      readonly run: number
      readonly finishReason: 'stop' | 'length'
      readonly promptTokens: number
      readonly completionTokens: number
      readonly cachedPromptTokens?: number
    }
  | { readonly kind: 'problem'; readonly run: number; readonly problem: PlainProblem }

/** A `Problem` without its stack: errors lose their class on the way between processes. */
export interface PlainProblem {
  readonly code: ProblemCode
  readonly message: string
  readonly details: ProblemDetails
}
