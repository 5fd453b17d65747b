import { z } from 'zod'
import { hexOf, Id, TimestampMs } from './field.ts'
import { freshness, pageOf } from './page.ts'
import { Scope } from './scope.ts'

export const AuditActor = z
  .object({
    kind: z
      .enum(['key', 'token', 'network'])
      .describe('An API key, a token of enrolment or invitation, or the network itself.'),
    keyId: Id.nullable(),
    organisationId: Id.nullable().describe('The key’s own: an operator acts in others, too.'),
    memberId: Id.nullable().describe('The person who holds the key.'),
    serviceAccountId: Id.nullable(),
    scopes: z.array(Scope),
  })
  .meta({ id: 'AuditActor' })
export type AuditActor = z.output<typeof AuditActor>

/** What an entry says, without its place in the chain. */
export const auditNote = {
  organisationId: Id.describe('Whose log it is in: the organisation that the act was on.'),
  atMs: TimestampMs,
  actor: AuditActor,
  act: z.string().describe('The operation’s name in `/openapi.json`.'),
  objectId: z.string().nullable().describe('What it was done to or made.'),
  details: z.record(z.string(), z.string()).describe('What was asked for. Never a secret.'),
  outcome: z.enum(['done', 'refused']),
  problem: z.string().nullable().describe('Why it was refused: the problem’s code.'),
  requestId: z.string(),
  sourceAddress: z.string().nullable(),
}

export const AuditEntry = z
  .object({
    ...auditNote,
    sequence: z.int().positive().describe('Counts the organisation’s entries from 1, without gaps.'),
    previousHash: hexOf(32).describe('`hash` of the entry before; zeros for the first.'),
    hash: hexOf(32).describe('SHA-256 of the entry without this member, in canonical JSON.'),
  })
  .meta({ id: 'AuditEntry', description: 'One administrative act, in its place in the chain.' })
export type AuditEntry = z.output<typeof AuditEntry>

export const AuditPage = z
  .object({ ...pageOf(AuditEntry), ...freshness })
  .meta({ id: 'AuditPage', description: 'Acts, newest first.' })
export type AuditPage = z.output<typeof AuditPage>

export const AuditExport = z
  .object({
    organisationId: Id,
    ...pageOf(AuditEntry),
    head: z
      .object({ sequence: z.int().nonnegative(), hash: hexOf(32) })
      .describe('The newest entry as the coordinator knows it: where the whole chain must end.'),
    ...freshness,
  })
  .meta({ id: 'AuditExport', description: 'One organisation’s acts, oldest first.' })
export type AuditExport = z.output<typeof AuditExport>
