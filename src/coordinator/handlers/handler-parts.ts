/** What the handlers of the control API work with, and the ways they share of asking the coordinator. */
import type { Clock, Crypto, KeyPair, Log, Secrets } from '#host/host.ts'
import { formatId, ID_BYTES } from '#kernel/id.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { GatewayLive } from '#protocol/live.ts'
import type { ShownCertificate } from '#protocol/network-status.ts'
import { PAGE_LIMIT_DEFAULT, type PageQuery, paginate } from '#protocol/page.ts'
import { Problem } from '#protocol/problem.ts'
import type { Caller } from '#protocol/route.ts'
import type { JoinLimits } from '#verify/hardware/join-limits.ts'
import type { Coordinator } from '../coordinator.ts'
import type { ModelFleet } from '../model-fleet.ts'
import type { PayoutMethod } from '../payout-method.ts'
import type { Projector } from '../read-models/projector.ts'
import type { ReadModelQueries } from '../read-models/queries.ts'
import type { Turn } from '../turn.ts'
import type { Refusals } from './act.ts'
import type { JobParts } from './job-parts.ts'

export interface HandlerParts {
  readonly coordinator: Coordinator
  readonly clock: Clock
  readonly crypto: Crypto
  readonly secrets: Secrets
  readonly log: Log
  readonly projector: Projector
  readonly queries: ReadModelQueries
  readonly networkName: string
  /** The network's part of what callers pay. */
  readonly feeBps: number
  /** Under which API keys and enrolment tokens are hashed. */
  readonly keySecret: string
  /** Where agents and clients reach the network: `https://host:port`. */
  readonly apiUrl: string
  /** The network's own key, by which agents know it, and the host names by which it may be reached. */
  readonly network: { readonly keys: KeyPair; goesBy(host: string): boolean }
  /** What TLS shows here; null where it does not end here. */
  readonly certificate: () => ShownCertificate | null
  readonly dataFolder: string
  readonly processId: number
  /** The least that is paid out at once; `PAYOUT_MIN_DEFAULT` unless given. */
  readonly payoutMin?: NanoUsd
  /** How fast strangers' nodes come in; without it as fast as there are tokens. */
  readonly joinLimits?: JoinLimits
  /** How money leaves the network; by hand unless given. */
  readonly payoutMethods?: readonly PayoutMethod[]
  /** Bounds the refused acts in the audit log. */
  readonly refusals?: Refusals
  /** The coordinator's own; one without news of the gateways unless given. */
  readonly models?: ModelFleet
  /** Jobs and who works on them; a network without takes none. */
  readonly jobs?: JobParts
  /** The gateway in this process, if there is one: what it serves right now. */
  readonly live: LiveNetwork | null
  /** What each gateway that answers does at this moment, wherever it runs. */
  readonly gatewaysLive?: () => Promise<readonly GatewayLive[]>
}

export interface LiveNetwork {
  readonly processId: number
  requestsOpen(): number
  /** Meter readings that are not in the ledger yet. */
  requestsUnbilled(): number
}

/** Takes a turn; resolves with its result once all that it saw is durable. */
export const execute = <T>(
  { coordinator }: Pick<HandlerParts, 'coordinator'>,
  useCase: (turn: Turn) => T,
): Promise<T> =>
  new Promise((resolve, reject) => {
    coordinator.execute(
      (turn) => {
        try {
          return { ok: useCase(turn) }
        } catch (error) {
          if (error instanceof Problem) return { problem: error }
          throw error
        }
      },
      (result) => ('ok' in result ? resolve(result.ok as T) : reject(result.problem)),
    )
  })

export const newId = (prefix: string, { secrets }: Pick<HandlerParts, 'secrets'>): string =>
  formatId(prefix, secrets.randomBytes(ID_BYTES))

export const hashSecret = (
  text: string,
  { crypto, keySecret }: Pick<HandlerParts, 'crypto' | 'keySecret'>,
): string => Buffer.from(crypto.hmacSha256(keySecret, text)).toString('hex')

export const isOperator = (caller: Caller): boolean => caller.scopes.includes('operator')

/** Whose objects a list shows: the caller's own; an operator's choice, or everybody's. */
export function listedOrganisation(caller: Caller, asked: string | undefined): string | null {
  if (isOperator(caller)) return asked ?? null
  if (asked === undefined || asked === caller.organisationId) return caller.organisationId
  throw notFound('organisation', asked)
}

/** Where something is to be made: the caller's own organisation, or, for an operator, the one that is named. */
export function organisationFor(parts: HandlerParts, caller: Caller, named: string | undefined): string {
  const organisationId = named ?? caller.organisationId
  const { organisations } = parts.coordinator.state.organisations
  if (!organisations.has(organisationId) || !maySee(caller, organisationId)) {
    throw notFound('organisation', organisationId)
  }
  return organisationId
}

/** A project to filter by that the caller may see; `null` for all. */
export function projectFilter(parts: HandlerParts, caller: Caller, asked: string | undefined): string | null {
  if (asked === undefined) return null
  const project = parts.coordinator.state.organisations.projects.get(asked)
  if (!project || !maySee(caller, project.organisationId)) throw notFound('project', asked)
  return asked
}

/** How long a read waits for the read model to reach what the caller may just have done. */
const FRESH_WITHIN_MS = 2_000

/** Waits until the read models show what was decided so far, or for 2 s: they say how far they are. */
export async function freshly({
  projector,
  coordinator,
}: {
  projector: Pick<Projector, 'reach'>
  coordinator: Pick<Coordinator, 'sequence'>
}): Promise<void> {
  await projector.reach(coordinator.sequence(), FRESH_WITHIN_MS)
}

/** A page of a list that is read from the read models. */
export const pageRequest = (query: PageQuery | undefined) => ({
  limit: query?.limit ?? PAGE_LIMIT_DEFAULT,
  before: query?.before ?? null,
})

/**
 * A page of what is in memory, newest first, and those of one moment by their ids: the state's maps have another order after
 * a start from a snapshot, and a page that ends among such is followed by the right one all the same.
 */
export function newestPage<Item>(
  all: readonly Item[],
  query: PageQuery | undefined,
  { atMsOf, idOf }: { atMsOf(item: NoInfer<Item>): number; idOf(item: NoInfer<Item>): string },
): { items: Item[]; next: string | null } {
  const sorted = all.toSorted((a, b) => atMsOf(b) - atMsOf(a) || (idOf(a) < idOf(b) ? -1 : 1))
  return paginate(sorted, query, idOf)
}

export const createdAtMs = (item: { readonly createdAtMs: number }): number => item.createdAtMs

/** Another organisation's object is as unknown as one that never was. */
export const maySee = (caller: Caller, organisationId: string | null): boolean =>
  isOperator(caller) || (organisationId !== null && organisationId === caller.organisationId)

export const notFound = (noun: string, id: string): Problem =>
  new Problem('not_found', `There is no ${noun} ${id}, or it is not this key's to see.`)
