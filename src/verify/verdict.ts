/**
 * What opinions mean together. One that says *same* settles it: nobody renders the same picture by chance. One that says
 * *different* is weighed: of the operator's own nodes it is enough, of others a second owner's has to agree with it, pixel for
 * pixel. Where no audit by crops ever found a result of the step good, crops may be what is wrong (denoising looks at the whole
 * picture): then a whole frame has to say it.
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
  /** How the step is audited, and whether crops of it found anything good before. */
  readonly by: AuditBy
  readonly areCropsProven: boolean
}

export function weigh({ organisationId, opinions, asks, by, areCropsProven }: Weighing): Finding {
  const counts = (opinion: Weighing['opinions'][number]): boolean => opinion.by === 'frame' || areCropsProven
  const told = opinions.filter(({ says }) => says !== 'unreadable')
  if (told.some(({ says }) => says === 'same')) return { verdict: 'honest' }
  const against = told.filter(counts)
  if (against.some(({ isReference }) => isReference)) return { verdict: 'liar' }
  // One owner that says it twice is one.
  if (new Set(against.map((opinion) => opinion.organisationId)).size > 1) {
    if (against.at(-1)?.agrees) return { verdict: 'liar' }
    // Where others were found alike, it is not the scene: one of the three is wrong, and nobody knows which.
    return { verdict: areCropsProven ? 'disputed' : 'irreproducible' }
  }
  if (asks >= ASKS_MAX) return { verdict: told.length > 0 ? 'disputed' : 'nobody' }
  const isDoubted = told.length > against.length
  const spoken = opinions.filter((opinion) => counts(opinion) || opinion.says === 'unreadable')
  return {
    ask: isDoubted ? 'frame' : by,
    notOf: [...new Set([organisationId, ...spoken.map((opinion) => opinion.organisationId)])],
  }
}
