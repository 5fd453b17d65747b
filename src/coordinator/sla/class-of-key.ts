import type { ApiKey } from '#organisations/organisations.ts'
import type { SlaClass } from '#protocol/sla.ts'
import { classOf, type Sla } from '#sla/sla.ts'
import { lesserClass } from '#sla/tiers.ts'

/** What requests with this key are promised: never more than its organisation is. */
export function classOfKey(
  { sla }: { readonly sla: Pick<Sla, 'classes'> },
  key: Pick<ApiKey, 'organisationId' | 'slaClass'>,
): SlaClass {
  const allowed = classOf(sla, key.organisationId)
  return key.slaClass === null ? allowed : lesserClass(key.slaClass, allowed)
}
