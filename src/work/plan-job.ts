/** Jobs of quotes: what each step is, by a digest that makes equal tasks equal, and what the job is planned to take. */
import { toCanonical } from '#kernel/canonical.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { NewJob, NewStep, Tier } from '#protocol/job.ts'
import type { TaskEstimate } from './estimate.ts'
import { tierTerms } from './tier.ts'
import type { JobPlan, PlannedStep } from './work-events.ts'

/** A step with what it is. */
export interface IdentifiedStep extends NewStep {
  /** Of its kind, its settings and its inputs, with those of the steps whose results it takes. */
  readonly digest: string
}

export interface QuotedWork {
  readonly organisationId: string
  readonly name: string
  readonly tier: Tier
  readonly isIdempotent: boolean
  readonly pricePerHour: NanoUsd
  readonly cap: NanoUsd
  readonly steps: readonly (IdentifiedStep & { readonly estimates: readonly TaskEstimate[] })[]
}

/** Enough to tell scenes apart in the pictures' own notes. */
const SCENE_HASH_LENGTH = 32

/**
 * Names each step by its content. A step that renders is also told the hash of its scene, which it writes into each
 * picture; what the step said of that itself does not count.
 */
export function identifySteps(
  steps: readonly NewStep[],
  sha256: (text: string) => string,
): readonly IdentifiedStep[] {
  const found: IdentifiedStep[] = []
  for (const step of steps) {
    const { sceneHash: _, ...settings } = step.settings
    const before = step.dependsOn.map((name) => found.find((other) => other.name === name)?.digest ?? '')
    const results = step.takesResults ? before : []
    const digest = sha256(toCanonical({ kind: step.kind, settings, inputRoot: step.inputRoot, results }))
    const sceneHash = digest.slice(0, SCENE_HASH_LENGTH)
    found.push({
      ...step,
      settings: step.kind === 'blender' ? { ...settings, sceneHash } : settings,
      digest,
    })
  }
  return found
}

/** The plan of a job of `quote`. Whatever it renders is verified. */
export function planOf(
  quote: QuotedWork,
  { jobId, cap = quote.cap, priority }: Omit<NewJob, 'quoteId'> & { readonly jobId: string },
): JobPlan {
  const { organisationId, name, tier, isIdempotent, pricePerHour, steps } = quote
  return {
    jobId,
    organisationId,
    name,
    priority,
    cap,
    pricePerHour,
    isIdempotent,
    // Of what is not rendered only the files are looked at: that they are there, and as long as the node said.
    isVerified: true,
    purpose: 'work',
    minClass: tierTerms[tier].minClass,
    tier,
    steps: steps.map((step) => planStep(step, steps)),
  }
}

function planStep(step: QuotedWork['steps'][number], steps: QuotedWork['steps']): PlannedStep {
  return {
    ...stepShape(step),
    dependsOn: step.dependsOn.map((name) => steps.findIndex((other) => other.name === name)),
    ...(step.takesResults && { takesResults: true }),
    tasks: step.tasks.map((params, at) => {
      const { referenceMs = 1, referenceMsP90 = referenceMs, isPriceFixed = false } = step.estimates[at] ?? {}
      return { params, referenceMs, referenceMsP90, ...(isPriceFixed && { isPriceFixed }) }
    }),
  }
}

/** What a step and the small tasks that probe it have in common. */
export function stepShape(step: IdentifiedStep): Omit<PlannedStep, 'dependsOn' | 'tasks'> {
  const { name, digest, kind, requirements, inputRoot, settings } = step
  return {
    name,
    digest,
    requirements: { kind, ...requirements },
    inputRoot: inputRoot ?? '',
    inputBytes: step.inputBytes ?? 0,
    settings,
  }
}
