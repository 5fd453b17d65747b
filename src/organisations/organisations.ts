/**
 * Who may do what. Every object of the network belongs to an organisation; its API keys act for it within their
 * scopes. A key is held by the organisation, by one of its *members* (people) or by a *service account* (a program),
 * and belongs to a *project*, which its usage is counted for. A key is shown once, when it is made; only its HMAC is
 * kept, so a stolen journal opens nothing.
 *
 * A key is *live* until it is revoked, or until it expires. To *rotate* it makes another with the same rights and the
 * same budget, and lets the old one end after an overlap. An organisation that ever had an owner keeps one: a live key
 * with the scope that does not expire. A key that ended is known for `KEY_MEMORY_MS`, and then forgotten.
 */
import { assert } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import { DAY_MS, type TimestampMs } from '#kernel/time.ts'
import type { KeyAlert } from '#protocol/budget-alert.ts'
import type { KeyLimits, KeyUse } from '#protocol/key-limits.ts'
import type { Scope } from '#protocol/scope.ts'
import type { SlaClass } from '#protocol/sla.ts'
import { isBorneOut } from './budget-alerts.ts'
import type { KeyHolder } from './organisation-events.ts'

export interface Organisations {
  organisations: Map<string, Organisation>
  projects: Map<string, Project>
  members: Map<string, Member>
  /** Invitation hash → member id, of every invitation that waits. */
  memberIdByInvitation: Map<string, string>
  serviceAccounts: Map<string, ServiceAccount>
  keys: Map<string, ApiKey>
  /** Key hash → key id, of every key that is neither revoked nor expired. */
  keyIdByHash: Map<string, string>
  /** What was used, by budget: the first key of a line of rotations. */
  use: Map<string, KeyUse>
  /** What was told of it, by budget. */
  told: Map<string, BudgetTold>
  /** Tells the secret under which keys are hashed from another; null until it was noted. */
  keySecretCheck: string | null
}

export interface Organisation {
  readonly id: string
  readonly name: string
  readonly createdAtMs: TimestampMs
  /** From its first owner's key on. */
  hasOwner: boolean
}

export interface Project {
  readonly id: string
  readonly organisationId: string
  readonly name: string
  readonly createdAtMs: TimestampMs
  archivedAtMs: TimestampMs | null
}

export interface Member {
  readonly id: string
  readonly organisationId: string
  readonly name: string
  readonly email: string
  scopes: readonly Scope[]
  status: 'invited' | 'accepted' | 'removed'
  readonly invitationHash: string
  readonly invitationExpiresAtMs: TimestampMs
  readonly invitedAtMs: TimestampMs
  acceptedAtMs: TimestampMs | null
  removedAtMs: TimestampMs | null
}

export interface ServiceAccount {
  readonly id: string
  readonly organisationId: string
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly createdAtMs: TimestampMs
  removedAtMs: TimestampMs | null
}

export interface ApiKey {
  readonly id: string
  readonly organisationId: string
  readonly projectId: string
  /** `null`: the organisation itself. */
  readonly holder: KeyHolder | null
  readonly name: string
  readonly hash: string
  readonly hint: string
  readonly scopes: readonly Scope[]
  limits: KeyLimits
  /** Of what its organisation is promised, at most this; `null`: all of it. */
  readonly slaClass: SlaClass | null
  /** What its use is counted under: its own id, or that of the first key of its line of rotations. */
  readonly budgetId: string
  readonly rotatedFromKeyId: string | null
  rotatedToKeyId: string | null
  readonly createdAtMs: TimestampMs
  expiresAtMs: TimestampMs | null
  /** When its end by time was noted; it opens nothing from `expiresAtMs` on. */
  expiredAtMs: TimestampMs | null
  revokedAtMs: TimestampMs | null
}

export const emptyOrganisations = (): Organisations => ({
  organisations: new Map(),
  projects: new Map(),
  members: new Map(),
  memberIdByInvitation: new Map(),
  serviceAccounts: new Map(),
  keys: new Map(),
  keyIdByHash: new Map(),
  use: new Map(),
  told: new Map(),
  keySecretCheck: null,
})

/** The shares of a budget's limits that were told. */
export interface BudgetTold {
  readonly day: ToldWindow | null
  readonly month: ToldWindow | null
  /** The newest. */
  readonly last: KeyAlert
}
export interface ToldWindow {
  /** Days since the Unix epoch, or months since year 0. */
  readonly index: number
  /** By share in percent, the highest limit that it was told of. */
  readonly limits: Map<number, NanoUsd>
}

/** How long a key is known after its end: it is listed with how it ended, and what it used late is counted for its project. */
export const KEY_MEMORY_MS = 30 * DAY_MS

/** The project that every organisation has from the start. */
export const defaultProject = (organisationId: string): string => `default:${organisationId}`

/** Neither revoked nor past its time. */
export const isLive = (key: ApiKey, nowMs: TimestampMs): boolean =>
  isOpen(key) && (key.expiresAtMs === null || nowMs < key.expiresAtMs)

/** Neither revoked nor noted as expired: it can be found by its hash. */
export const isOpen = (key: ApiKey): boolean => key.revokedAtMs === null && key.expiredAtMs === null

/** True for a key that keeps its organisation from having no owner. */
export const isStandingOwner = (key: ApiKey): boolean =>
  isOpen(key) && key.expiresAtMs === null && allows(key.scopes, 'owner')

/** What each scope includes besides itself. An operator runs the network and may do whatever an owner may. */
const included = {
  operator: ['owner', 'billing', 'developer', 'viewer', 'provider'],
  owner: ['billing', 'developer', 'viewer', 'provider'],
  billing: ['viewer'],
  developer: ['viewer'],
  provider: ['viewer'],
  viewer: [],
} satisfies Record<Scope, Scope[]>

/** True when one of `scopes` is `needed` or includes it. */
export const allows = (scopes: readonly Scope[], needed: Scope): boolean =>
  scopes.some((scope) => scope === needed || (included[scope] as Scope[]).includes(needed))

/** True when `scopes` include each of `wanted`. */
export const allowsAll = (scopes: readonly Scope[], wanted: readonly Scope[]): boolean =>
  wanted.every((scope) => allows(scopes, scope))

/**
 * Throws unless every open key, and no other, can be found by its hash; everything belongs to a known organisation; no
 * key may do more than who holds it; and an organisation that had an owner has one.
 */
export function checkOrganisations(state: Organisations): void {
  const owned = new Set<string>()
  let open = 0
  for (const key of state.keys.values()) {
    checkKey(state, key)
    if (isStandingOwner(key)) owned.add(key.organisationId)
    if (isOpen(key)) open++
  }
  assert(state.keyIdByHash.size === open, 'a revoked key can still be found')
  for (const { id, hasOwner } of state.organisations.values()) {
    assert(state.projects.has(defaultProject(id)), `organisation ${id} has no default project`)
    assert(!hasOwner || owned.has(id), `organisation ${id} has lost its last owner`)
  }
  for (const object of [
    ...state.projects.values(),
    ...state.members.values(),
    ...state.serviceAccounts.values(),
  ]) {
    assert(state.organisations.has(object.organisationId), `${object.id} belongs to nobody`)
  }
  let invited = 0
  for (const member of state.members.values()) {
    if (member.status !== 'invited') continue
    invited++
    const found = state.memberIdByInvitation.get(member.invitationHash)
    assert(found === member.id, `member ${member.id} cannot be found by the invitation`)
  }
  assert(state.memberIdByInvitation.size === invited, 'an invitation that is over can still be found')
  const budgets = new Set([...state.keys.values()].map(({ budgetId }) => budgetId))
  for (const budgetId of state.use.keys()) {
    assert(budgets.has(budgetId), `what was used of ${budgetId} is nobody's`)
  }
  for (const [budgetId, told] of state.told) {
    assert(budgets.has(budgetId), `what was told of ${budgetId} is nobody's`)
    const use = state.use.get(budgetId)
    assert(!use || isBorneOut(told, use), `more was told of ${budgetId} than was spent`)
  }
}

function checkKey(state: Organisations, key: ApiKey): void {
  assert(state.organisations.has(key.organisationId), `key ${key.id} belongs to nobody`)
  const { organisationId, projectId, holder } = key
  const project = state.projects.get(projectId)
  assert(project?.organisationId === organisationId, `key ${key.id} is in a project of another organisation`)
  if (!isOpen(key)) return
  assert(state.keyIdByHash.get(key.hash) === key.id, `key ${key.id} cannot be found by its hash`)
  assert(project.archivedAtMs === null, `key ${key.id} is in an archived project`)
  if (holder === null) return
  const held = holderOf(state, holder)
  assert(held?.organisationId === organisationId, `key ${key.id} is held by another organisation`)
  assert(held.isHere, `key ${key.id} is held by nobody any more`)
  assert(allowsAll(held.scopes, key.scopes), `key ${key.id} may do more than who holds it`)
}

export interface Holder {
  readonly organisationId: string
  readonly scopes: readonly Scope[]
  /** False for a member who has not accepted or was removed, and for a removed service account. */
  readonly isHere: boolean
}

export function holderOf(state: Organisations, { kind, id }: KeyHolder): Holder | null {
  if (kind === 'member') {
    const member = state.members.get(id)
    return member ? { ...member, isHere: member.status === 'accepted' } : null
  }
  const account = state.serviceAccounts.get(id)
  return account ? { ...account, isHere: account.removedAtMs === null } : null
}
