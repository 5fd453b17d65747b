/** What the handlers of the control API work with, and the ways they share of asking the coordinator. */
import type { Clock, Crypto, Log, Secrets } from '#host/host.ts'
import { formatId, ID_BYTES } from '#kernel/id.ts'
import { Problem } from '#protocol/problem.ts'
import type { Caller } from '#protocol/route.ts'
import type { Coordinator } from '../coordinator.ts'
import type { Projector } from '../read-models/projector.ts'
import type { ReadModelQueries } from '../read-models/queries.ts'
import type { Turn } from '../turn.ts'

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
  /** Where agents and clients reach the network: `http://host:port`. */
  readonly apiUrl: string
  readonly dataFolder: string
  readonly processId: number
  /** The gateway in this process, if there is one: what it serves right now. */
  readonly live: LiveNetwork | null
}

export interface LiveNetwork {
  readonly processId: number
  requestsOpen(): number
}

/** Takes a turn; resolves with its result once all that it saw is durable. */
export const execute = <T>({ coordinator }: HandlerParts, useCase: (turn: Turn) => T): Promise<T> =>
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

export const newId = (prefix: string, { secrets }: HandlerParts): string =>
  formatId(prefix, secrets.randomBytes(ID_BYTES))

export const hashSecret = (text: string, { crypto, keySecret }: HandlerParts): string =>
  Buffer.from(crypto.hmacSha256(keySecret, text)).toString('hex')

export const isOperator = (caller: Caller): boolean => caller.scopes.includes('operator')

/** Whose objects a list shows: the caller's own; an operator's choice, or everybody's. */
export function listedOrganisation(caller: Caller, asked: string | undefined): string | null {
  if (isOperator(caller)) return asked ?? null
  if (asked === undefined || asked === caller.organisationId) return caller.organisationId
  throw notFound('organisation', asked)
}

/** Another organisation's object is as unknown as one that never was. */
export const maySee = (caller: Caller, organisationId: string | null): boolean =>
  isOperator(caller) || (organisationId !== null && organisationId === caller.organisationId)

export const notFound = (noun: string, id: string): Problem =>
  new Problem('not_found', `There is no ${noun} ${id}, or it is not this key's to see.`)
