/**
 * What can be told of a delivered frame without rendering anything. A *fault* refuses it at once. A *doubt* is no proof
 * (a film may fade to black, a camera may stand still): it has the frame audited by crops, whatever the odds were.
 */
import type { Picture } from '#images/picture.ts'

/** In order of precedence. */
export type FrameFault = 'size_wrong' | 'frame_wrong' | 'scene_wrong' | 'settings_wrong' | 'label_missing'
export type FrameDoubt = 'black' | 'not_a_number' | 'same_as_neighbour' | 'too_fast' | 'too_slow'

export interface FrameExpectation {
  /** `null`, here and below: not known, so not looked at. */
  readonly width: number | null
  readonly height: number | null
  readonly frame: number | null
  readonly sceneHash: string | null
  /** Of a part of a picture's samples: where it begins. */
  readonly sampleOffset?: number | null
  /** `null` where the scene's own hold. */
  readonly samples: number | null
  readonly seed: number | null
  /** What the quote said that it takes on this node; `null` before anything is known. */
  readonly expectedMs: number | null
}

export interface FrameFacts {
  readonly picture: Picture
  readonly wallMs: number
  /** Fingerprints of the frames beside it in the job, of those that are there. */
  readonly neighbours: readonly string[]
}

export interface FrameVerdict {
  readonly fault: FrameFault | null
  readonly doubts: readonly FrameDoubt[]
}

const TOO_FAST = 0.3
const TOO_SLOW = 10

export function checkFrame(facts: FrameFacts, expected: FrameExpectation): FrameVerdict {
  return { fault: faultOf(facts.picture, expected), doubts: doubtsOf(facts, expected) }
}

function faultOf(picture: Picture, expected: FrameExpectation): FrameFault | null {
  const { width, height, frame, sceneHash, sampleOffset = null, samples, seed } = expected
  if (width !== null && picture.width !== width) return 'size_wrong'
  if (height !== null && picture.height !== height) return 'size_wrong'
  const label = readLabel(picture)
  if (label === null) return 'label_missing'
  const isOther = (name: string, value: string | number | null) =>
    value !== null && label[name] !== String(value)
  if (isOther('frame', frame)) return 'frame_wrong'
  if (isOther('scene', sceneHash === '' ? '-' : sceneHash)) return 'scene_wrong'
  if (isOther('samples', samples) || isOther('seed', seed) || isOther('offset', sampleOffset))
    return 'settings_wrong'
  return null
}

function doubtsOf({ picture, wallMs, neighbours }: FrameFacts, expected: FrameExpectation): FrameDoubt[] {
  const doubts: FrameDoubt[] = []
  const { isBlack, hasOnlyNumbers } = lookAt(picture)
  if (isBlack) doubts.push('black')
  if (!hasOnlyNumbers) doubts.push('not_a_number')
  if (neighbours.includes(fingerprintOf(picture))) doubts.push('same_as_neighbour')
  const { expectedMs } = expected
  if (expectedMs !== null && wallMs < expectedMs * TOO_FAST) doubts.push('too_fast')
  if (expectedMs !== null && wallMs > expectedMs * TOO_SLOW) doubts.push('too_slow')
  return doubts
}

/** What our script wrote into the file: `shoal scene=… frame=12 samples=64 offset=0 seed=0`. */
export function readLabel({ metadata }: Picture): Readonly<Record<string, string>> | null {
  const note = metadata['Note'] ?? metadata['note'] ?? ''
  if (!note.startsWith('shoal ')) return null
  const pairs = note
    .split(' ')
    .slice(1)
    .map((pair): [string, string] => {
      const [name = '', ...value] = pair.split('=')
      return [name, value.join('=')]
    })
  return Object.fromEntries(pairs)
}

function lookAt({ values, channels }: Picture): { isBlack: boolean; hasOnlyNumbers: boolean } {
  let [isBlack, hasOnlyNumbers] = [true, true]
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at] ?? 0
    if (!Number.isFinite(value)) hasOnlyNumbers = false
    if (channels === 4 && at % 4 === 3) continue
    if (value > 1 / 512) isBlack = false
  }
  return { isBlack, hasOnlyNumbers }
}

/** Equal for pictures with equal pixels (to 8 bits), whatever stands beside them in the file. FNV-1a, twice, 64 bits. */
export function fingerprintOf({ width, height, values }: Picture): string {
  const state = Int32Array.of(0x811c9dc5, 0x01000193)
  mix(state, width)
  mix(state, height)
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at] ?? 0
    mix(state, Number.isFinite(value) ? Math.round(Math.min(64, value) * 255) : -1)
  }
  return [...state].map((part) => (part >>> 0).toString(16).padStart(8, '0')).join('')
}

/** The state is an array of integers, so that no step of the many makes an object. */
function mix(state: Int32Array, number: number): void {
  const b = state[1] ?? 0
  state[0] = Math.imul((state[0] ?? 0) ^ number, 0x01000193)
  state[1] = Math.imul(b ^ (number + 0x9e), 0x85ebca6b) ^ (b >>> 13)
}
