/**
 * How long devices of one class take for one size of challenge. A card is held against its own kind: neither much slower
 * (it answers for several) nor much faster (it is another) than the median of what was accepted before. A processor is
 * not: it has other work too, so that its time says nothing upwards, and only what no processor can do is too fast.
 */
export interface ClassTimes {
  /** Newest last. */
  readonly samples: { readonly organisationId: string; readonly computeMs: number }[]
}

/** Of one class that are remembered, and of those by one owner: nobody makes his own median. */
export const SAMPLES_MAX = 64
export const SAMPLES_OF_OWNER_MAX = 8
/** From so many owners, and so many in all, a class has a distribution of its own. */
const OWNERS_MIN = 3
const SAMPLES_MIN = 5
export const SLOW_TIMES = 1.5
export const FAST_TIMES = 0.5
/** A part of a proof takes hardly longer than to begin it, which takes now more, now less. */
const PART_SLACK_MS = 2_000
/** Beyond any device: multiplications of 8 bits in a millisecond. */
const PROCESSOR_PRODUCTS_PER_MS = 1e9
const CARD_PRODUCTS_PER_MS = 2e12

/** The class of every device that is no card. */
export const PROCESSOR = 'cpu'
export const isProcessor = (deviceClass: string): boolean =>
  deviceClass === PROCESSOR || deviceClass.startsWith(`${PROCESSOR} `)

export interface TimeBounds {
  readonly fastMs: number
  /** `null`: as long as it likes, up to the deadline. */
  readonly slowMs: number | null
}

export interface TimedAnswer {
  readonly deviceClass: string
  /** Multiplications that it took. */
  readonly products: number
  /** For less than its memory is worth, since the rest of it was in use. */
  readonly isPart: boolean
}

/** Between which times an answer is believed. */
export function timeBounds(
  times: ClassTimes | undefined,
  { deviceClass, products, isPart }: TimedAnswer,
): TimeBounds {
  if (isProcessor(deviceClass)) return { fastMs: products / PROCESSOR_PRODUCTS_PER_MS, slowMs: null }
  const floorMs = products / CARD_PRODUCTS_PER_MS
  const median = medianOf(times)
  if (median === null) return { fastMs: floorMs, slowMs: null }
  if (isPart) return { fastMs: floorMs, slowMs: median * SLOW_TIMES + PART_SLACK_MS }
  return { fastMs: Math.max(floorMs, median * FAST_TIMES), slowMs: median * SLOW_TIMES }
}

/** `null` until enough is known of the class. */
export function medianOf(times: ClassTimes | undefined): number | null {
  const samples = times?.samples ?? []
  const owners = new Set(samples.map(({ organisationId }) => organisationId))
  if (samples.length < SAMPLES_MIN || owners.size < OWNERS_MIN) return null
  const sorted = samples.map(({ computeMs }) => computeMs).sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? null
}

/** Adds what was accepted; the oldest of its owner, then the oldest of all, makes room. */
export function addSample(times: ClassTimes, sample: ClassTimes['samples'][number]): void {
  const { samples } = times
  const own = samples.filter(({ organisationId }) => organisationId === sample.organisationId)
  const oldest =
    own.length >= SAMPLES_OF_OWNER_MAX ? own[0] : samples.length >= SAMPLES_MAX ? samples[0] : undefined
  if (oldest) samples.splice(samples.indexOf(oldest), 1)
  samples.push(sample)
}
