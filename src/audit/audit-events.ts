import { z } from 'zod'
import { AuditEntry } from '#protocol/audit.ts'

/** One line of an organisation's audit log, with its place in the chain. */
export const AuditEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('audit.recorded'), entry: AuditEntry }),
])
export type AuditEvent = z.output<typeof AuditEvent>
