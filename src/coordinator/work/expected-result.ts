/** What is known of a task's result before anybody looked at it. */
import type { CheckOutputs } from '#protocol/work-check.ts'
import { PIXELS_LOOKED_AT_MAX } from '#verify/look-at-picture.ts'
import type { CheckedJob } from '#verify/verify.ts'
import { type Job, paceOf, stepOf, type Task, taskOf } from '#work/work.ts'
import type { TaskPlace } from '#work/work-events.ts'

export type ResultKind = NonNullable<CheckOutputs['kind']>

/** A result that nobody expects to be a picture is only looked at for being there. */
export function resultKindOf(kind: string, { params }: Pick<Task, 'params'>): ResultKind {
  if (kind !== 'blender') return 'files'
  const { do: does } = params
  if (does === 'frame' || does === 'range') return does
  return does === 'merge' ? 'picture' : 'files'
}

/** Whether rendering a part of it again tells anything. */
export const canBeAudited = (kind: ResultKind): boolean => kind === 'frame' || kind === 'range'

/** A picture that is to be so large is taken as it is: nobody looks into it, and nobody can compare it. */
export const isTooLarge = ({ width, height }: CheckOutputs['expected']): boolean =>
  width !== null && height !== null && width * height > PIXELS_LOOKED_AT_MAX

/** Tasks before and after, whose pictures it should not be. */
const NEIGHBOURS = [-2, -1, 1, 2]

export function expectedOf(
  job: Job,
  place: TaskPlace,
  checked: CheckedJob | undefined,
): CheckOutputs['expected'] {
  const { settings } = stepOf(job, place.step)
  const { params } = taskOf(job, place)
  const of = (name: string): number | null => numberOf(params[name]) ?? numberOf(settings[name])
  const neighbours = NEIGHBOURS.flatMap((by) => {
    const fingerprint = checked?.fingerprints.get(`${place.step}/${place.task + by}`)
    return fingerprint === undefined ? [] : [fingerprint]
  })
  const { sceneHash } = settings
  const isScaled = params['scale'] !== undefined
  return {
    width: isScaled ? null : of('width'),
    height: isScaled ? null : of('height'),
    frame: numberOf(params['frame']),
    sceneHash: typeof sceneHash === 'string' ? sceneHash : null,
    samples: of('samples'),
    seed: of('seed'),
    sampleOffset: numberOf(params['sampleOffset']),
    neighbours,
  }
}

const numberOf = (value: unknown): number | null =>
  typeof value === 'number' && Number.isSafeInteger(value) ? value : null

/** A result that came in less than this part of the time that it should take was made in another way. */
const TOO_FAST = 0.3

/** What the time says that its node told. That it took long is no doubt: crops cannot tell, and the charge is bounded. */
export function doubtsOfTime(job: Job, { result, referenceMs }: Task): readonly string[] {
  const expectedMs = referenceMs * paceOf(job)
  return result && result.referenceMs < expectedMs * TOO_FAST ? ['too_fast'] : []
}
