/**
 * What a gateway counts for the promises: adds to each meter reading what class it was under and why it failed, and keeps
 * count of what was refused and of what is under way. Both go through the spool, so they are applied once and in order.
 */
import type { Clock } from '#host/host.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { ProblemCode } from '#protocol/problem.ts'
import type { OpenRequest, RefusedCount, SlaClass, SlaExemption } from '#protocol/sla.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { binStartOf } from '#sla/bins.ts'
import { countOf, countOfProblem, firstTokenDueMs } from '#sla/count.ts'
import type { OfferedLately } from './offered-lately.ts'
import type { Preferences } from './preferences.ts'
import type { RunRequest } from './run-request.ts'
import type { GatewayTelemetry } from './telemetry.ts'

/** How often it is told what is under way: of a gateway that is lost, that much is not counted. */
export const TALLY_EVERY_MS = 5_000
/** So that the other side knows that it is there, while the same requests are open. */
const TOLD_AGAIN_MS = 5 * 60_000
/** Told at most; of more each organisation's oldest, in turns, so that one with many hides nobody's. */
const OPEN_MAX = 256

interface Begun {
  readonly slaClass: SlaClass
  readonly exempt: SlaExemption | null
  readonly promptTokensMax: number
  readonly organisationId: string
  readonly startedAtMs: TimestampMs
  problem: ProblemCode | null
  isHeldUp: boolean
}

export interface SlaDesk {
  /** A request is let in. `isFree`: no node asks anything for its model. */
  begins(request: RunRequest, isFree: boolean): void
  /** It was not, or is not after all. */
  refused(request: RunRequest, code: ProblemCode, isFree: boolean): void
  /** Its reader was too slow once: how fast its node was can't be told. */
  heldUp(requestId: string): void
  /** The coordinator knows tallies, or is an earlier one that does not. */
  mayTell(takesTallies: boolean): void
  /** The reading as it goes into the spool. */
  complete(record: UsageRecord): UsageRecord
  /** `telemetry`, which this one listens to for why requests fail. */
  listening(telemetry: GatewayTelemetry): GatewayTelemetry
  close(): void
}

export function createSlaDesk(
  clock: Clock,
  options: {
    readonly gatewayId: string
    /** Another one for each start of the gateway. */
    readonly run: string
    cellNowMs(): TimestampMs
    /** The organisation without whose nodes nobody offers the model; null where there are others, or the network hosts it. */
    onlyOwner(model: string): string | null
    /** Which models are offered by nobody; has them looked at, too. */
    offered: Pick<OfferedLately, 'isUnoffered' | 'look'>
    append(record: UsageRecord): void
  },
): SlaDesk {
  const { gatewayId, run, cellNowMs, onlyOwner, offered } = options
  const begun = new Map<string, Begun>()
  let refusals = new Map<string, { -readonly [Key in keyof RefusedCount]: RefusedCount[Key] }>()
  let takesTallies = false
  let told = ''
  let toldAtMs = 0
  let isClosed = false

  function tell(): void {
    if (isClosed) return
    clock.after(TALLY_EVERY_MS, tell)
    offered.look()
    if (!takesTallies) return refusals.clear()
    const open = openRequests(begun)
    const ids = open.map(({ requestId }) => requestId).join()
    const isDue = ids !== told && (ids !== '' || told !== '')
    const isAgain = ids !== '' && clock.elapsedMs() - toldAtMs >= TOLD_AGAIN_MS
    if (!isDue && !isAgain && refusals.size === 0) return
    const refused = [...refusals.values()]
    refusals = new Map()
    told = ids
    toldAtMs = clock.elapsedMs()
    options.append(tallyRecord({ gatewayId, run, refused, open }, cellNowMs()))
  }
  clock.after(TALLY_EVERY_MS, tell)

  /**
   * Why an error is none of the network's. Who takes his own nodes away, or has them keep silent, makes no failure that he
   * is credited for; nor does who asks for what nobody offers.
   */
  function unpromised(model: string, organisationId: string): SlaExemption | null {
    if (onlyOwner(model) === organisationId) return 'own_node'
    return offered.isUnoffered(model) ? 'unoffered' : null
  }

  return {
    begins(request, isFree) {
      const { requestId, organisationId, slaClass = 'none', promptTokensMax } = request
      begun.set(requestId, {
        slaClass,
        exempt: exemptionOf(request, isFree),
        promptTokensMax,
        organisationId,
        startedAtMs: cellNowMs(),
        problem: null,
        isHeldUp: false,
      })
    },
    refused(request, problem, isFree) {
      begun.delete(request.requestId)
      const { organisationId, slaClass = 'none' } = request
      const isError = countOfProblem(problem).kind === 'error'
      const exempt =
        exemptionOf(request, isFree) ?? (isError ? unpromised(request.engine.model, organisationId) : null)
      const binStartMs = binStartOf(cellNowMs())
      const key = `${organisationId} ${slaClass} ${binStartMs} ${problem} ${exempt}`
      const known = refusals.get(key)
      if (known) known.count++
      else
        refusals.set(key, {
          ...{ organisationId, slaClass, binStartMs, problem, count: 1 },
          ...(exempt !== null && { exempt }),
        })
    },
    heldUp(requestId) {
      const one = begun.get(requestId)
      if (one) one.isHeldUp = true
    },
    mayTell(does) {
      takesTallies = does
    },
    complete(record) {
      const one = begun.get(record.requestId)
      begun.delete(record.requestId)
      if (!one) return record
      const told = { ...record, ...factsOf(record, one) }
      // What it cost says nothing of whether it failed.
      const exempt =
        countOf(told, 0n).kind === 'error' ? unpromised(record.model, record.organisationId) : null
      return exempt === null ? told : { ...told, exempt }
    },
    listening: (telemetry) =>
      Object.assign(Object.create(telemetry) as GatewayTelemetry, {
        onFailed(event: Parameters<GatewayTelemetry['onFailed']>[0]) {
          const one = begun.get(event.requestId)
          if (one) one.problem = event.code
          telemetry.onFailed(event)
        },
      }),
    close() {
      isClosed = true
    },
  }
}

function factsOf(
  { outcome, firstTokenMs, totalMs }: UsageRecord,
  { slaClass, exempt, problem, promptTokensMax, isHeldUp }: Begun,
): Partial<UsageRecord> {
  const isWhole = outcome === 'completed' && firstTokenMs !== null && !isHeldUp
  return {
    ...(slaClass !== 'none' && { slaClass }),
    ...(exempt !== null && { exempt }),
    ...(outcome === 'failed' && problem !== null && { problem }),
    ...(outcome === 'cancelled' &&
      firstTokenMs === null && { firstTokenDueMs: firstTokenDueMs(promptTokensMax) }),
    ...(isWhole && { decodeMs: totalMs - firstTokenMs }),
  }
}

/**
 * A caller that names nodes or a price has chosen what it gets; a batch has its own promise, a day, and what yields to everybody
 * else (`flex`) waits as a batch does.
 */
export function exemptionOf(
  {
    batch,
    priority,
    preferences,
    isCanary,
  }: Pick<RunRequest, 'batch' | 'priority' | 'preferences' | 'isCanary'>,
  isFree: boolean,
): SlaExemption | null {
  if (batch || priority === 'bulk') return 'batch'
  if (isCanary || (preferences && isRestricting(preferences))) return 'restricted'
  return isFree ? 'free' : null
}

const isRestricting = ({
  only,
  ignore,
  promptPerMillionMax,
  completionPerMillionMax,
}: Preferences): boolean =>
  only !== null || ignore !== null || promptPerMillionMax !== null || completionPerMillionMax !== null

/** Of what somebody was promised something for. */
function openRequests(begun: ReadonlyMap<string, Begun>): OpenRequest[] {
  const byOwner = new Map<string, OpenRequest[]>()
  for (const [requestId, { slaClass, exempt, organisationId, startedAtMs }] of begun) {
    if (slaClass === 'none' || exempt !== null) continue
    const own = byOwner.get(organisationId) ?? []
    if (own.length < OPEN_MAX) own.push({ requestId, organisationId, slaClass, startedAtMs })
    byOwner.set(organisationId, own)
  }
  const open: OpenRequest[] = []
  for (let turn = 0; turn < OPEN_MAX && open.length < OPEN_MAX; turn++)
    for (const own of byOwner.values()) {
      const next = own[turn]
      if (next && open.length < OPEN_MAX) open.push(next)
    }
  return open
}

/** Stands in the spool where a reading would. */
const tallyRecord = (tally: NonNullable<UsageRecord['tally']>, nowMs: TimestampMs): UsageRecord => ({
  requestId: 'tally',
  organisationId: '',
  keyId: '',
  holdId: '',
  model: '',
  kind: 'chat',
  outcome: 'cancelled',
  parts: [],
  startedAtMs: nowMs,
  firstTokenMs: null,
  totalMs: 0,
  tally,
})
