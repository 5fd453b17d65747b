/**
 * The money that this gateway may admit requests on. It borrows a *slice* of each account that sends work, so that
 * no request waits for the coordinator; a request reserves its maximal cost on the slice and settles for the real
 * one. It stops admitting on a slice well before that expires, keeps slices in use alive and gives idle ones back.
 */
import type { Bus, Clock, Log, Secrets } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { formatId, ID_BYTES } from '#kernel/id.ts'
import { maximum, type NanoUsd } from '#kernel/money.ts'
import { RenewReply, ReturnReply, SliceList, subjects, TakeSlice, TakeSliceReply } from '#protocol/cell.ts'
import { callCell, cellCall } from './cell-calls.ts'

export interface Reservation {
  readonly holdId: string
  readonly organisationId: string
  readonly amount: NanoUsd
}

export interface Slices {
  /**
   * Reserves `amount`, at once when the slice has it, else after the coordinator lent more. `done` runs exactly
   * once: with a reservation, or with why there is none (`unavailable`: the coordinator could not be asked, try again).
   * The new one may use the money of `instead`, which stays reserved until then: when there is a result with a
   * reservation, `done` must settle `instead` at nothing before it returns.
   */
  reserve(
    organisationId: string,
    amount: NanoUsd,
    done: (result: ReserveResult) => void,
    instead?: Reservation | null,
  ): void
  /** Ends a reservation at its real cost, metered by the spool record `sequence` (0 when nothing was owed). */
  settle(reservation: Reservation, cost: NanoUsd, sequence: number): void
  close(): void
}
export type ReserveResult = Reservation | 'funds_insufficient' | 'unavailable'

interface Slice {
  readonly holdId: string
  readonly organisationId: string
  lent: NanoUsd
  reserved: NanoUsd
  spent: NanoUsd
  /** By this gateway's own monotonic clock, from when it asked: never late. */
  expiresAtMs: number
  /** Before then it is not worth a call, and an entry in the journal, to keep it longer. */
  renewAtMs: number
  usedAtMs: number
  /** Newest spool record that was metered on it. */
  newestSequence: number
  /** What was spent since `paceSinceMs`, for sizing the next loan. */
  pace: NanoUsd
  paceSinceMs: number
}

interface Need {
  readonly amount: NanoUsd
  readonly instead: Reservation | null
}
interface Waiter extends Need {
  readonly done: (result: ReserveResult) => void
}

interface Purse {
  slice: Slice | null
  /** Asked for and not yet answered: the next try asks for the same one, so that it is lent once. */
  draft: { slice: Slice; askedAtMs: number } | null
  waiters: Waiter[]
  isAsking: boolean
}

const STOP_BEFORE_EXPIRY_MS = 30_000
const IDLE_MS = 30_000
const TICK_MS = 5_000
/** So often that a slice in use outlives a coordinator that is away for two minutes, and no more often than that takes. */
const RENEWALS_PER_LIFE = 6
const PACE_WINDOW_MS = 60_000
/** The least that is worth a call: two US cents. */
const LOAN_MIN: NanoUsd = 20_000_000n

const takeCall = cellCall(subjects.takeSlice, TakeSlice, TakeSliceReply)
const renewCall = cellCall(subjects.renewSlices, SliceList, RenewReply)
const returnCall = cellCall(subjects.returnSlices, SliceList, ReturnReply)

export function createSlices(
  host: { bus: Bus; clock: Clock; log: Log; secrets: Secrets },
  options: { gatewayId: string; acknowledgedSequence: () => number },
): Slices {
  const { clock, secrets } = host
  const { gatewayId } = options
  const purses = new Map<string, Purse>()
  /** Slices no longer lent from, with reservations still to settle or usage still on its way. */
  const leaving = new Map<string, Slice>()
  let isClosed = false

  const isUsable = (slice: Slice): boolean => clock.elapsedMs() < slice.expiresAtMs - STOP_BEFORE_EXPIRY_MS

  function purseOf(organisationId: string): Purse {
    let purse = purses.get(organisationId)
    if (!purse) {
      purse = { slice: null, draft: null, waiters: [], isAsking: false }
      purses.set(organisationId, purse)
    }
    return purse
  }

  const hasLeft = (slice: Slice | null, need: Need): slice is Slice =>
    slice !== null && isUsable(slice) && leftOf(slice, need) >= need.amount

  function tryReserve(slice: Slice | null, need: Need): Reservation | null {
    if (!hasLeft(slice, need)) return null
    const { amount } = need
    slice.reserved += amount
    slice.usedAtMs = clock.elapsedMs()
    return { holdId: slice.holdId, organisationId: slice.organisationId, amount }
  }

  function retire(purse: Purse): void {
    if (purse.slice) leaving.set(purse.slice.holdId, purse.slice)
    purse.slice = null
  }

  function newSlice(organisationId: string): Slice {
    const nowMs = clock.elapsedMs()
    return {
      holdId: formatId('hold', secrets.randomBytes(ID_BYTES)),
      organisationId,
      lent: 0n,
      reserved: 0n,
      spent: 0n,
      expiresAtMs: Number.POSITIVE_INFINITY,
      renewAtMs: Number.POSITIVE_INFINITY,
      usedAtMs: nowMs,
      newestSequence: 0,
      pace: 0n,
      paceSinceMs: nowMs,
    }
  }

  /** Asks for what the first waiter needs; one call per account at a time. */
  function ask(organisationId: string, purse: Purse): void {
    const waiter = purse.waiters[0]
    if (purse.isAsking || !waiter || isClosed) return
    if (purse.slice && !isUsable(purse.slice)) retire(purse)
    if (!purse.slice) purse.draft ??= { slice: newSlice(organisationId), askedAtMs: clock.elapsedMs() }
    const slice = purse.slice ?? purse.draft?.slice
    assert(slice, 'there is a slice or a draft of one')
    const used = slice.reserved + slice.spent - givenUp(waiter, slice)
    const needed = used + waiter.amount
    const wanted = maximum(needed, used + maximum(LOAN_MIN, maximum(slice.pace * 2n, waiter.amount * 4n)))
    purse.isAsking = true
    const { holdId } = slice
    callCell(host, takeCall, { gatewayId, organisationId, holdId, needed, wanted }, (reply) => {
      purse.isAsking = false
      if (isClosed) return
      if (reply?.lent) {
        slice.lent = maximum(slice.lent, reply.lent)
        if (purse.draft) {
          live(slice, purse.draft.askedAtMs, reply.ttlMs)
          purse.slice = slice
          purse.draft = null
        }
      } else {
        if (reply) purse.draft = null
        // Another request may have settled for less meanwhile: then there is enough without a loan.
        const first = purse.waiters[0]
        if (first && !hasLeft(purse.slice, first)) {
          purse.waiters.shift()
          first.done(reply ? 'funds_insufficient' : 'unavailable')
        }
      }
      serveWaiters(organisationId, purse)
    })
  }

  function serveWaiters(organisationId: string, purse: Purse): void {
    for (let waiter = purse.waiters[0]; waiter; waiter = purse.waiters[0]) {
      const reservation = tryReserve(purse.slice, waiter)
      if (!reservation) return ask(organisationId, purse)
      purse.waiters.shift()
      waiter.done(reservation)
    }
  }

  function sliceOf({ organisationId, holdId }: Reservation): Slice {
    const current = purses.get(organisationId)?.slice
    const slice = current?.holdId === holdId ? current : leaving.get(holdId)
    assert(slice, `slice ${holdId} stays while it has reservations`)
    return slice
  }

  function tick(): void {
    if (isClosed) return
    const nowMs = clock.elapsedMs()
    const renewable: Slice[] = []
    for (const purse of purses.values()) {
      const { slice } = purse
      if (!slice) continue
      if (nowMs - slice.paceSinceMs > PACE_WINDOW_MS) Object.assign(slice, { pace: 0n, paceSinceMs: nowMs })
      const isIdle = slice.reserved === 0n && nowMs - slice.usedAtMs > IDLE_MS && purse.waiters.length === 0
      if (isIdle || !isUsable(slice)) retire(purse)
      else if (nowMs >= slice.renewAtMs) renewable.push(slice)
    }
    renew(renewable, nowMs)
    returnLeaving()
    clock.after(TICK_MS, tick)
  }

  function renew(slices: Slice[], askedAtMs: number): void {
    // Those with work under way are kept even when they admit no more: their usage must still find its hold.
    const busy = [...leaving.values()].filter((slice) => slice.reserved > 0n && askedAtMs >= slice.renewAtMs)
    const wanted = [...slices, ...busy]
    if (wanted.length === 0) return
    callCell(host, renewCall, { gatewayId, holdIds: wanted.map((slice) => slice.holdId) }, (reply) => {
      const renewed = new Set(reply?.renewed)
      for (const slice of wanted) {
        if (reply && renewed.has(slice.holdId)) live(slice, askedAtMs, reply.ttlMs)
        else if (reply) retireById(slice)
      }
    })
  }

  function retireById(slice: Slice): void {
    const purse = purses.get(slice.organisationId)
    if (purse?.slice === slice) retire(purse)
  }

  function returnLeaving(): void {
    const done = [...leaving.values()].filter(
      (slice) => slice.reserved === 0n && slice.newestSequence <= options.acknowledgedSequence(),
    )
    if (done.length === 0) return
    callCell(host, returnCall, { gatewayId, holdIds: done.map((slice) => slice.holdId) }, (reply) => {
      for (const holdId of reply?.returned ?? []) leaving.delete(holdId)
    })
  }

  clock.after(TICK_MS, tick)
  return {
    reserve(organisationId, amount, done, instead = null) {
      const purse = purseOf(organisationId)
      const waiter = { amount, instead, done }
      const reservation = purse.waiters.length === 0 ? tryReserve(purse.slice, waiter) : null
      if (reservation) return done(reservation)
      purse.waiters.push(waiter)
      ask(organisationId, purse)
    },
    settle(reservation, cost, sequence) {
      const slice = sliceOf(reservation)
      assert(
        cost <= reservation.amount,
        `a request costs at most what it reserved: ${cost} > ${reservation.amount}`,
      )
      slice.reserved -= reservation.amount
      slice.spent += cost
      slice.pace += cost
      slice.newestSequence = Math.max(slice.newestSequence, sequence)
      const purse = purseOf(reservation.organisationId)
      if (purse.waiters.length > 0 && !purse.isAsking) serveWaiters(reservation.organisationId, purse)
    },
    close() {
      isClosed = true
    },
  }
}

const givenUp = ({ instead }: Need, { holdId }: Slice): NanoUsd =>
  instead?.holdId === holdId ? instead.amount : 0n

const leftOf = (slice: Slice, need: Need): NanoUsd =>
  slice.lent - slice.reserved - slice.spent + givenUp(need, slice)

/** The slice was lent, or lent on, when the gateway asked at `askedAtMs`. */
function live(slice: Slice, askedAtMs: number, ttlMs: number): void {
  slice.expiresAtMs = askedAtMs + ttlMs
  slice.renewAtMs = askedAtMs + ttlMs / RENEWALS_PER_LIFE
}
