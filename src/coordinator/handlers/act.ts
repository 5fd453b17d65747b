/**
 * Administrative acts: what one does and its line in the audit log are one journal entry, so that neither is ever
 * there without the other. Acts that are refused for their own sake are noted too, up to a number a minute for each
 * key, so that nobody can fill the journal with them.
 */
import type { AuditNote } from '#audit/audit.ts'
import type { Clock } from '#host/host.ts'
import { MINUTE_MS } from '#kernel/time.ts'
import type { AuditActor } from '#protocol/audit.ts'
import { Problem } from '#protocol/problem.ts'
import type { CallContext, Caller } from '#protocol/route.ts'
import type { Turn } from '../turn.ts'
import { execute, type HandlerParts } from './handler-parts.ts'

/** Refused acts of one key that are noted in a minute. */
export const REFUSALS_PER_MINUTE = 30

export interface Call {
  /** `null`: a token in the body said who may. */
  readonly caller: Caller | null
  readonly context: CallContext
  /** Nobody called. */
  readonly isNetwork?: boolean
}

/** What is done and to what, for the log; a use case fills in what it learns. */
export interface Doing {
  /** Whose object it is. Set only for what the caller may see: nobody's log tells of strangers' guesses. */
  organisationId: string | null
  objectId: string | null
  details: Record<string, string>
  /** What it does is done outside the journal. */
  isOutside: boolean
}

/** What an act needs of the handlers' parts. */
export type ActParts = Pick<HandlerParts, 'coordinator' | 'crypto' | 'refusals'>

/** Takes a turn for the call's act. Rejects with the `Problem` that the use case throws, which must come before any change. */
export const act = <T>(
  parts: ActParts,
  call: Call,
  about: Partial<Doing>,
  useCase: (turn: Turn, doing: Doing) => T,
): Promise<T> =>
  execute(parts, (turn) => {
    const organisationId = call.caller?.organisationId ?? null
    const doing: Doing = { organisationId, objectId: null, details: {}, isOutside: false, ...about }
    try {
      const result = useCase(turn, doing)
      // A repeat that changes nothing is no act.
      if (turn.hasChanged() || doing.isOutside) note(turn, parts, { call, doing, problem: null })
      return result
    } catch (error) {
      if (error instanceof Problem && call.caller && mayNote(parts, call.caller)) {
        note(turn, parts, { call, doing, problem: error.code })
      }
      throw error
    }
  })

/** An act of the network itself, such as the keys of its founder. */
export const actAsNetwork = <T>(
  parts: ActParts,
  name: string,
  about: Partial<Doing> & { organisationId: string },
  useCase: (turn: Turn, doing: Doing) => T,
): Promise<T> =>
  act(
    parts,
    { caller: null, context: { act: name, requestId: NO_REQUEST, sourceAddress: null }, isNetwork: true },
    about,
    useCase,
  )
const NO_REQUEST = 'start'

/** Notes a call that its key's scopes do not allow. */
export const noteScopeMissing = async (parts: ActParts, call: Call & { caller: Caller }): Promise<void> => {
  if (!mayNote(parts, call.caller)) return
  const { organisationId } = call.caller
  const doing = { organisationId, objectId: null, details: {}, isOutside: false }
  await execute(parts, (turn) => note(turn, parts, { call, doing, problem: 'scope_missing' }))
}

const mayNote = ({ refusals }: Pick<ActParts, 'refusals'>, { keyId }: Caller): boolean =>
  refusals?.take(keyId) ?? true

/** Adds the line to the log of the organisation that it is about. */
function note(
  turn: Turn,
  { crypto }: Pick<ActParts, 'crypto'>,
  { call, doing, problem }: { call: Call; doing: Doing; problem: string | null },
): void {
  const organisationId = doing.organisationId ?? call.caller?.organisationId
  if (organisationId === undefined) return
  const { act: name, requestId, sourceAddress } = call.context
  const entry: AuditNote = {
    organisationId,
    atMs: turn.nowMs,
    actor: actorOf(turn, call),
    act: name,
    objectId: doing.objectId,
    details: doing.details,
    outcome: problem === null ? 'done' : 'refused',
    problem,
    requestId,
    sourceAddress,
  }
  turn.audit({
    kind: 'record',
    note: entry,
    sha256: (text) => Buffer.from(crypto.sha256(text)).toString('hex'),
  })
}

function actorOf({ state }: Turn, { caller, isNetwork }: Call): AuditActor {
  if (caller === null) {
    return {
      kind: isNetwork ? 'network' : 'token',
      keyId: null,
      organisationId: null,
      memberId: null,
      serviceAccountId: null,
      scopes: [],
    }
  }
  const { keyId, organisationId, scopes } = caller
  const holder = state.organisations.keys.get(keyId)?.holder
  return {
    kind: 'key',
    keyId,
    organisationId,
    memberId: holder?.kind === 'member' ? holder.id : null,
    serviceAccountId: holder?.kind === 'service_account' ? holder.id : null,
    scopes: [...scopes],
  }
}

/** How many refused acts of each key may still be noted. */
export interface Refusals {
  take(keyId: string): boolean
}

export function createRefusals(clock: Pick<Clock, 'elapsedMs'>): Refusals {
  const taken = new Map<string, number>()
  let minute = 0
  return {
    take(keyId) {
      const now = Math.floor(clock.elapsedMs() / MINUTE_MS)
      if (now !== minute) taken.clear()
      minute = now
      const count = (taken.get(keyId) ?? 0) + 1
      taken.set(keyId, count)
      return count <= REFUSALS_PER_MINUTE
    },
  }
}
