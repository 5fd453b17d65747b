/** Who says whether an answer fits: a node of another owner that the caller itself would have allowed to read it. */
import type { Random } from '#kernel/random.ts'
import { PROTOCOL_WITH_EVIDENCE } from '#protocol/agent-version.ts'
import type { Directory } from '../directory.ts'
import type { NodeConnection, Offer } from '../node-connection.ts'
import { excludes, type NodeFacts, type Preferences } from '../preferences.ts'

export interface AuditorAsk {
  readonly model: string
  /** Of the weights that the node says it has. */
  readonly fingerprint: string
  readonly preferences: Preferences | undefined
  /** Whoever made the answer, and has spoken already. */
  readonly notOf: ReadonlySet<string>
  readonly contextTokens: number
  /** It scores an answer, or embeds texts itself. */
  readonly kind: 'score' | 'embedding'
}

export interface Auditor {
  readonly node: NodeConnection
  readonly offer: Offer
  readonly organisationId: string
  readonly isReference: boolean
  /** It has the very weights that the other says it has. */
  readonly isSameFile: boolean
}

/** With fewer other owners of the very file, two of one hand that name a file nobody else has would judge each other alone. */
const SAME_FILE_OWNERS_MIN = 3

/**
 * One of them by chance: first the owner, each as likely as any other, for how many nodes one has and how idle they are is his own
 * choice; then of the owner's nodes one with nothing to do rather than others. `null` where nobody is there.
 */
export function chooseAuditor(
  ask: AuditorAsk,
  { nodes, directory, random }: { nodes: Iterable<NodeConnection>; directory: Directory; random: Random },
): Auditor | null {
  const there = [...nodes].flatMap((node) => auditorAt(node, ask, directory))
  const same = there.filter(({ isSameFile, isReference }) => isSameFile || isReference)
  const known = ownersOf(same).length >= SAME_FILE_OWNERS_MIN ? same : there
  const owners = ownersOf(known)
  const owner = owners[random.int(Math.max(1, owners.length))]
  const found = known.filter(({ organisationId }) => organisationId === owner)
  const idle = found.filter(({ node }) => node.outstanding() === 0)
  const free = found.filter(({ node, offer }) => node.outstanding() < offer.model.slots)
  const among = idle.length > 0 ? idle : free.length > 0 ? free : found
  return among.length === 0 ? null : (among[random.int(among.length)] ?? null)
}

const ownersOf = (auditors: readonly Auditor[]): readonly string[] => [
  ...new Set(auditors.map(({ organisationId }) => organisationId)),
]

function auditorAt(node: NodeConnection, ask: AuditorAsk, directory: Directory): Auditor[] {
  const known = directory.node(node.nodeId)
  const offer = node.offers.get(ask.model)
  if (!known || !offer || node.isBackstop || node.protocol < PROTOCOL_WITH_EVIDENCE) return []
  const { organisationId, nodeClass = 'community', isReference = false } = known
  if (known.isBadAuditor) return []
  const { model } = offer
  const can =
    ask.kind === 'embedding' ? model.tasks.includes('embedding') : model.features?.includes('score') === true
  if (ask.notOf.has(organisationId) || !can || model.contextTokens < ask.contextTokens) return []
  const facts: NodeFacts = { ...node, organisationId, nodeClass }
  // What the network pays for it is no matter of the caller's.
  const wish = ask.preferences && {
    ...ask.preferences,
    promptPerMillionMax: null,
    completionPerMillionMax: null,
  }
  if (wish && excludes(wish, facts, offer) !== null) return []
  return [{ node, offer, organisationId, isReference, isSameFile: model.fingerprint === ask.fingerprint }]
}
