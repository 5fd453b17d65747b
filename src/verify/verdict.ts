/**
 * What opinions mean together. One that says *same* settles it: nobody renders the same picture by chance. Crops that say
 * *different* are a suspicion, whatever crops of other frames said: what looks at the whole picture (denoising, a glare, a render
 * region) touches some frames of a step and not others, so crops may be what is wrong. Then a whole frame has to say it: of the operator's own
 * nodes that is enough, of others it has to agree with what a second owner made, pixel for pixel.
 */

import type { Opinion } from './verify.ts'
import type { AuditBy, Verdict } from './verify-events.ts'

/** After so many without a verdict nobody is asked any more. */
export const ASKS_MAX = 5

export type Finding =
  | { readonly verdict: Exclude<Verdict, 'called_off'> }
  /** Another opinion is wanted, of none of these organisations. */
  | { readonly ask: AuditBy; readonly notOf: readonly string[] }

export interface Weighing {
  /** Whose result it is. */
  readonly organisationId: string
  readonly opinions: readonly Pick<Opinion, 'by' | 'organisationId' | 'isReference' | 'says' | 'agrees'>[]
  readonly asks: number
  /** How the step is audited, and whether crops of it found anything good before: then the scene gives the same picture twice. */
  readonly by: AuditBy
  readonly areCropsProven: boolean
}

const ownersOf = (opinions: Weighing['opinions']): number =>
  new Set(opinions.map((opinion) => opinion.organisationId)).size

export function weigh({ organisationId, opinions, asks, by, areCropsProven }: Weighing): Finding {
  const told = opinions.filter(({ says }) => says !== 'unreadable')
  if (told.some(({ says }) => says === 'same')) return { verdict: 'honest' }
  const against = told.filter((opinion) => opinion.by === 'frame')
  if (against.some(({ isReference }) => isReference)) return { verdict: 'liar' }
  // A frame that is like another owner's crops shows that crops of this frame tell. One owner that says it twice is one.
  if (ownersOf(told) > 1 && told.at(-1)?.by === 'frame' && told.at(-1)?.agrees) return { verdict: 'liar' }
  if (ownersOf(against) > 1) {
    // Where others were found alike, it is not the scene: one of the three is wrong, and nobody knows which.
    return { verdict: areCropsProven ? 'disputed' : 'irreproducible' }
  }
  if (asks >= ASKS_MAX) return { verdict: told.length > 0 ? 'disputed' : 'nobody' }
  const isDoubted = told.length > against.length
  const spoken = opinions.filter((opinion) => opinion.by === 'frame' || opinion.says === 'unreadable')
  return {
    ask: isDoubted ? 'frame' : by,
    notOf: [...new Set([organisationId, ...spoken.map((opinion) => opinion.organisationId)])],
  }
}
