import { z } from 'zod'
import { KeyLimits } from '#protocol/key-limits.ts'
import { NanoUsd } from '#protocol/money.ts'
import { Scope } from '#protocol/scope.ts'
import { SlaClass } from '#protocol/sla.ts'

/** Who holds a key: a person, or a program of the organisation. */
export const KeyHolder = z.object({ kind: z.enum(['member', 'service_account']), id: z.string() })
export type KeyHolder = z.output<typeof KeyHolder>

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
    /** Absent: the organisation's default project. */
    projectId: z.string().optional(),
    /** Absent: that of its organisation. */
    slaClass: SlaClass.optional(),
    /** Absent: the organisation itself holds it. */
    holder: KeyHolder.optional(),
    /** Absent: never. */
    expiresAtMs: z.int().optional(),
    /** Absent: none. */
    limits: KeyLimits.optional(),
    /** The key that this one takes the place of, and shares its limits with. */
    rotatedFromKeyId: z.string().optional(),
  }),
  z.object({
    type: z.literal('organisation.key_revoked'),
    keyId: z.string(),
    atMs: z.int(),
    /** Absent in entries of the first release, which let an organisation revoke its last owner's key. */
    reason: z.enum(['revoked', 'rotated', 'holder_removed', 'holder_narrowed']).optional(),
  }),
  z.object({
    type: z.literal('organisation.key_rotated'),
    keyId: z.string(),
    newKeyId: z.string(),
    /** Until when the old key opens what it did. */
    endsAtMs: z.int(),
    atMs: z.int(),
  }),
  z.object({ type: z.literal('organisation.key_expired'), keyId: z.string(), atMs: z.int() }),
  z.object({
    type: z.literal('organisation.key_limited'),
    keyId: z.string(),
    limits: KeyLimits,
    atMs: z.int(),
  }),
  /** What was spent has come to this share of a key's limit. `spent` counts the whole window. */
  z.object({
    type: z.literal('organisation.budget_reached'),
    organisationId: z.string(),
    keyId: z.string(),
    budgetId: z.string(),
    window: z.enum(['day', 'month']),
    sharePercent: z.int(),
    spent: NanoUsd,
    limit: NanoUsd,
    atMs: z.int(),
  }),
  /** They ended long ago: nothing but the journal and what was made of it knows them from here on. */
  z.object({ type: z.literal('organisation.keys_forgotten'), keyIds: z.array(z.string()), atMs: z.int() }),
  /** What tells the secret under which keys are hashed from another; of the secret itself it tells nothing. */
  z.object({ type: z.literal('organisation.key_secret_noted'), check: z.string(), atMs: z.int() }),
  z.object({
    type: z.literal('organisation.project_created'),
    projectId: z.string(),
    organisationId: z.string(),
    name: z.string(),
    atMs: z.int(),
  }),
  z.object({ type: z.literal('organisation.project_archived'), projectId: z.string(), atMs: z.int() }),
  z.object({
    type: z.literal('organisation.service_account_created'),
    serviceAccountId: z.string(),
    organisationId: z.string(),
    name: z.string(),
    scopes: z.array(Scope),
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('organisation.service_account_removed'),
    serviceAccountId: z.string(),
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('organisation.member_invited'),
    memberId: z.string(),
    organisationId: z.string(),
    name: z.string(),
    email: z.string(),
    scopes: z.array(Scope),
    /** HMAC of the invitation. */
    invitationHash: z.string(),
    expiresAtMs: z.int(),
    atMs: z.int(),
  }),
  z.object({ type: z.literal('organisation.member_accepted'), memberId: z.string(), atMs: z.int() }),
  z.object({
    type: z.literal('organisation.member_scoped'),
    memberId: z.string(),
    scopes: z.array(Scope),
    atMs: z.int(),
  }),
  z.object({ type: z.literal('organisation.member_removed'), memberId: z.string(), atMs: z.int() }),
])
export type OrganisationEvent = z.output<typeof OrganisationEvent>
