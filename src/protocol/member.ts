import { z } from 'zod'
import { CreatedApiKey } from './api-key.ts'
import { Id, Name, TimestampMs } from './field.ts'
import { pageOf } from './page.ts'
import { Scope } from './scope.ts'

const members = {
  memberId: Id,
  organisationId: Id,
  name: z.string(),
  email: z.string(),
  scopes: z.array(Scope).describe('The most that the member’s keys may do.'),
  status: z.enum(['invited', 'accepted', 'removed']),
  invitedAtMs: TimestampMs,
  acceptedAtMs: TimestampMs.nullable(),
  removedAtMs: TimestampMs.nullable(),
}

export const Member = z
  .object(members)
  .meta({ id: 'Member', description: 'A person of an organisation, who holds keys.' })
export type Member = z.output<typeof Member>

export const MemberPage = z.object(pageOf(Member)).meta({ id: 'MemberPage' })

const Scopes = z.array(Scope).min(1).max(Scope.options.length)

/** As short a check as holds: whether somebody reads it is known once they accept. */
const Email = z
  .string()
  .trim()
  .max(200)
  .regex(/^[^\s@]+@[^\s@]+$/u, 'expected an address such as ada@example.com')

export const INVITATION_TTL_MS_DEFAULT = 7 * 24 * 3_600_000

export const InviteMember = z
  .strictObject({
    name: Name,
    email: Email,
    scopes: Scopes,
    organisationId: Id.optional().describe('Another organisation than the caller’s own: operators only.'),
    expiresInMs: z
      .int()
      .min(1_000)
      .max(30 * 24 * 3_600_000)
      .optional()
      .describe('How long the invitation can be accepted; a week unless given.'),
  })
  .meta({ id: 'InviteMember' })

export const InvitedMember = z
  .object({
    ...members,
    invitation: z.string().describe('For the member alone. Shown this once; it opens once.'),
    expiresAtMs: TimestampMs,
  })
  .meta({ id: 'InvitedMember' })
export type InvitedMember = z.output<typeof InvitedMember>

export const AcceptInvitation = z
  .strictObject({ invitation: z.string().min(1).max(200) })
  .meta({ id: 'AcceptInvitation' })

export const AcceptedInvitation = z
  .object({ member: Member, key: CreatedApiKey.describe('The member’s first key.') })
  .meta({ id: 'AcceptedInvitation' })
export type AcceptedInvitation = z.output<typeof AcceptedInvitation>

export const ChangeMemberScopes = z
  .strictObject({
    scopes: Scopes.describe('In place of those they have. Keys that may do more are revoked.'),
  })
  .meta({ id: 'ChangeMemberScopes' })
