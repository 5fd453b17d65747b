/**
 * The audit log: who did what, when and to what, one hash chain for each organisation. Each entry carries the hash of
 * the one before it, so that none can be changed, left out or moved without breaking the chain at that place. Memory
 * keeps only where each chain ends.
 */
import { assert } from '#kernel/assert.ts'
import { toCanonical } from '#kernel/canonical.ts'
import type { AuditEntry } from '#protocol/audit.ts'
import type { AuditEvent } from './audit-events.ts'

export interface Audit {
  /** By organisation. */
  heads: Map<string, AuditHead>
}

export interface AuditHead {
  readonly sequence: number
  readonly hash: string
}

/** SHA-256 of a text in UTF-8, in hex: the host's, for this folder computes nothing but plain data. */
export type Sha256 = (text: string) => string

/** An entry before it has its place in the chain. */
export type AuditNote = Omit<AuditEntry, 'sequence' | 'previousHash' | 'hash'>

export type AuditCommand = { kind: 'record'; note: AuditNote; sha256: Sha256 }

/** Where a chain begins. */
export const noHead: AuditHead = { sequence: 0, hash: '0'.repeat(64) }

export const emptyAudit = (): Audit => ({ heads: new Map() })

/** Never refused: what happened is noted. */
export function decideAudit(state: Audit, { note, sha256 }: AuditCommand): AuditEvent[] {
  const { sequence, hash } = state.heads.get(note.organisationId) ?? noHead
  const linked = { ...note, sequence: sequence + 1, previousHash: hash }
  return [{ type: 'audit.recorded', entry: { ...linked, hash: hashOf(linked, sha256) } }]
}

export function evolveAudit(state: Audit, { entry }: AuditEvent): void {
  const { organisationId, sequence, hash } = entry
  const head = state.heads.get(organisationId) ?? noHead
  assert(sequence === head.sequence + 1, `the audit log of ${organisationId} jumps to ${sequence}`)
  assert(entry.previousHash === head.hash, `the audit log of ${organisationId} breaks at ${sequence}`)
  state.heads.set(organisationId, { sequence, hash })
}

/** Throws unless every chain ends in a hash. */
export function checkAudit(state: Audit): void {
  for (const [organisationId, { sequence, hash }] of state.heads) {
    assert(sequence > 0 && /^[0-9a-f]{64}$/.test(hash), `the audit log of ${organisationId} has no end`)
  }
}

/** The hash that an entry must carry: of everything else in it, as one text. */
export const hashOf = (
  { hash: _, ...entry }: Omit<AuditEntry, 'hash'> & { hash?: string },
  sha256: Sha256,
): string => sha256(toCanonical(entry))
