/**
 * Reads an exported audit log again, without the network: a line of JSON for each entry, and after the last entry of
 * an organisation a line that says where its chain ends.
 */
import { z } from 'zod'
import { toCanonical } from '#kernel/canonical.ts'
import { AuditEntry } from '#protocol/audit.ts'
import { type AuditHead, hashOf, noHead, type Sha256 } from './audit.ts'

/** The line that ends an organisation's part of an export. */
export const AuditEnd = z.strictObject({
  end: z.strictObject({ organisationId: z.string(), sequence: z.int(), hash: z.string() }),
})
export type AuditEnd = z.output<typeof AuditEnd>

const StrictEntry = AuditEntry.strict()

export interface AuditVerdict {
  /** What is wrong, in the order of the file; empty for a log that is whole. */
  readonly faults: readonly AuditFault[]
  /** Where each organisation's chain ends, as far as it was whole. */
  readonly heads: ReadonlyMap<string, AuditHead>
  readonly entries: number
}

export interface AuditFault {
  /** Of the file, from 1; 0 where a line is missing at its end. */
  readonly line: number
  readonly kind: 'unreadable' | 'changed' | 'missing' | 'reordered' | 'repeated' | 'unlinked' | 'cut_off'
  /** A sentence that names the line and the entry. */
  readonly message: string
}

/** An entry or an end as a line of an export. */
export const formatAuditLine = (line: AuditEntry | AuditEnd): string => toCanonical(line)

interface Chain {
  head: AuditHead
  isEnded: boolean
  readonly seen: Map<number, number>
}

/** Checks `text` line by line. `expected`: heads known from elsewhere, such as from an earlier export. */
export function verifyAudit(
  text: string,
  sha256: Sha256,
  expected: ReadonlyMap<string, AuditHead> = new Map(),
): AuditVerdict {
  const faults: AuditFault[] = []
  const chains = new Map<string, Chain>()
  let entries = 0
  const chainOf = (organisationId: string): Chain => {
    let chain = chains.get(organisationId)
    if (!chain) {
      chain = { head: noHead, isEnded: false, seen: new Map() }
      chains.set(organisationId, chain)
    }
    return chain
  }
  for (const [index, content] of text.split('\n').entries()) {
    if (content.trim() === '') continue
    const line = index + 1
    const parsed = parseLine(content)
    if (parsed === null) {
      faults.push({ line, kind: 'unreadable', message: `Line ${line} is no entry of an audit log.` })
    } else if ('end' in parsed) {
      faults.push(...checkEnd(chainOf(parsed.end.organisationId), parsed, line))
    } else {
      entries++
      faults.push(...checkEntry(chainOf(parsed.organisationId), parsed, line, sha256))
    }
  }
  if (chains.size === 0 && faults.length === 0) {
    faults.push({
      line: 0,
      kind: 'cut_off',
      message: 'The file is empty: even a log without entries has an end.',
    })
  }
  for (const [organisationId, chain] of chains) {
    if (chain.isEnded) continue
    const message = `The log of ${organisationId} stops after entry ${chain.head.sequence} without the line that ends it: the newest entries may be missing.`
    faults.push({ line: 0, kind: 'cut_off', message })
  }
  for (const [organisationId, head] of expected) {
    const found = chainOf(organisationId).head
    if (found.sequence === head.sequence && found.hash === head.hash) continue
    const message = `The log of ${organisationId} ends with entry ${found.sequence}, hash ${found.hash}; expected entry ${head.sequence}, hash ${head.hash}.`
    faults.push({ line: 0, kind: 'cut_off', message })
  }
  return { faults, entries, heads: new Map([...chains].map(([id, { head }]) => [id, head])) }
}

function checkEntry(chain: Chain, entry: AuditEntry, line: number, sha256: Sha256): AuditFault[] {
  const { sequence, previousHash, hash, organisationId } = entry
  const name = `entry ${sequence} of ${organisationId}`
  const faults: AuditFault[] = []
  const fault = (kind: AuditFault['kind'], message: string): void => void faults.push({ line, kind, message })
  if (hashOf(entry, sha256) !== hash) {
    fault('changed', `Line ${line} (${name}) was changed: its content does not give its hash.`)
  }
  const earlier = chain.seen.get(sequence)
  const due = chain.head.sequence + 1
  if (earlier !== undefined) {
    fault('repeated', `Line ${line} (${name}) repeats line ${earlier}.`)
    return faults
  }
  chain.seen.set(sequence, line)
  if (sequence < due) {
    fault('reordered', `Line ${line} (${name}) comes after entry ${chain.head.sequence}: it was moved.`)
    return faults
  }
  if (sequence > due) {
    const which = sequence - due === 1 ? `Entry ${due}` : `Entries ${due} to ${sequence - 1}`
    fault(
      'missing',
      `${which} of ${organisationId} ${sequence - due === 1 ? 'is' : 'are'} missing before line ${line}.`,
    )
  } else if (previousHash !== chain.head.hash) {
    fault(
      'unlinked',
      `Line ${line} (${name}) does not follow the entry before it: one of the two was replaced.`,
    )
  }
  chain.head = { sequence, hash }
  return faults
}

function checkEnd(chain: Chain, { end }: AuditEnd, line: number): AuditFault[] {
  chain.isEnded = true
  const { sequence, hash } = chain.head
  if (end.sequence === sequence && end.hash === hash) return []
  const message = `Line ${line} says that the log of ${end.organisationId} ends with entry ${end.sequence}, hash ${end.hash}; the file's last one is entry ${sequence}, hash ${hash}.`
  return [{ line, kind: end.sequence > sequence ? 'missing' : 'unlinked', message }]
}

function parseLine(text: string): AuditEntry | AuditEnd | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null // The caller names the line.
  }
  const end = AuditEnd.safeParse(value)
  if (end.success) return end.data
  // The value as it stands: a schema would leave out what does not belong there, and the hash would not see it.
  return StrictEntry.safeParse(value).success ? (value as AuditEntry) : null
}
