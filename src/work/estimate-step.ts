/** What each task of a step will take: by what its series was measured to take, else by what the step or its kind says. */
import type { NewStep } from '#protocol/job.ts'
import type { TaskParams } from '#protocol/task.ts'
import { type CostModel, estimateTask, type TaskEstimate } from './estimate.ts'
import { placeInSeries } from './probe-plan.ts'

export interface StepEstimate {
  readonly estimates: readonly TaskEstimate[]
  readonly coldMs: number
  readonly commonError: number
  readonly ownError: number
}

/** A series as it was measured. */
export interface MeasuredSeries {
  readonly model: CostModel
  /** Samples of its largest range; 0 for frames. */
  readonly samplesMax: number
}

/** What nobody measured may well take three times as long. */
const UNPROBED_ERROR = 0.5
const UNPROBED_P90 = 3
/** What the job says itself is better, and still only said. */
const SAID_ERROR = 0.3
const SAID_P90 = 1.5

/** Of what is not probed: on a node of speed 1, and more for each result that it takes in. */
const PROGRAM_MS = 60_000
const VIDEO_MS = { base: 2_000, perResult: 60 }
const MERGE_MS = { base: 1_000, perResult: 500 }

/** `results`: how many each of its tasks takes in. */
export function estimateStep(
  step: Pick<NewStep, 'kind' | 'tasks' | 'estimateMs'>,
  { measured, results }: { measured: ReadonlyMap<string, MeasuredSeries>; results: number },
): StepEstimate {
  const isSaid = step.estimateMs !== undefined
  const saidMs = step.estimateMs
  const unprobed = (params: TaskParams): TaskEstimate => {
    const referenceMs = saidMs ?? unprobedMs(step.kind, { params, results })
    return { referenceMs, referenceMsP90: Math.ceil(referenceMs * (isSaid ? SAID_P90 : UNPROBED_P90)) }
  }
  let isMeasured = false
  const estimates = step.tasks.map((params) => {
    const place = placeInSeries(step.kind, params)
    const series = place && measured.get(place.key)
    if (!place || !series) return unprobed(params)
    isMeasured = true
    const share = series.samplesMax > 0 ? place.share / series.samplesMax : place.share
    return { ...estimateTask(series.model, { at: place.at, share }), isPriceFixed: true }
  })
  if (!isMeasured) {
    const error = isSaid ? SAID_ERROR : UNPROBED_ERROR
    return { estimates, coldMs: 0, commonError: error, ownError: error }
  }
  const models = [...measured.values()].map(({ model }) => model)
  const most = (of: (model: CostModel) => number): number => Math.max(...models.map(of))
  return {
    estimates,
    coldMs: most(({ coldMs }) => coldMs),
    commonError: most(({ commonError }) => commonError),
    ownError: most(({ ownError }) => ownError),
  }
}

function unprobedMs(
  kind: NewStep['kind'],
  { params, results }: { params: TaskParams; results: number },
): number {
  if (kind === 'ffmpeg') return VIDEO_MS.base + VIDEO_MS.perResult * results
  if (kind === 'command') return PROGRAM_MS
  const { do: does, parts } = params
  if (does !== 'merge') return PROGRAM_MS
  const count = typeof parts === 'string' ? parts.split(';').length : results
  return MERGE_MS.base + MERGE_MS.perResult * count
}
