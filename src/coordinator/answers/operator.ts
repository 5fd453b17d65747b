import type { CoordinatorState } from '../coordinator-state.ts'

type State = Pick<CoordinatorState, 'organisations' | 'verify'>

/**
 * Whether these are the operator's nodes: of the organisation that founded the network, which is its oldest, or of the one that
 * it audits with. Their word needs no other, and nobody audits them.
 */
export const isOperators = ({ organisations, verify }: State, organisationId: string): boolean =>
  organisationId === verify.referenceId || organisationId === founderOf(organisations)

const founders = new WeakMap<object, string>()

/** The oldest: a state that was read from a snapshot has its organisations in the order of their ids. */
export function founderOf({ organisations }: State['organisations']): string | null {
  const known = founders.get(organisations)
  if (known !== undefined) return known
  const [oldest] = [...organisations.values()].sort(
    (a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1),
  )
  if (oldest) founders.set(organisations, oldest.id)
  return oldest?.id ?? null
}
