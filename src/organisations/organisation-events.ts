import { z } from 'zod'
import { Scope } from '#protocol/scope.ts'

export const OrganisationEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('organisation.created'),
    organisationId: z.string(),
    name: z.string(),
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('organisation.key_created'),
    keyId: z.string(),
    organisationId: z.string(),
    name: z.string(),
    /** HMAC-SHA256 of the whole key under the network's secret, in hex. The key itself is nowhere. */
    hash: z.string(),
    /** The key's first characters, so that its owner recognises it. */
    hint: z.string(),
    scopes: z.array(Scope),
    atMs: z.int(),
  }),
  z.object({ type: z.literal('organisation.key_revoked'), keyId: z.string(), atMs: z.int() }),
])
export type OrganisationEvent = z.output<typeof OrganisationEvent>
