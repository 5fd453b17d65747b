/** Tells the coordinator what nodes signed and what they bring in, and hears how far the network has it for good. */
import type { Bus, Clock, Log } from '#host/host.ts'
import { subjects } from '#protocol/cell.ts'
import { ReceiptNews, ReceiptNewsReply } from '#protocol/receipts.ts'
import { callCell, cellCall } from '../cell-calls.ts'

export interface ReceiptReport {
  signed(one: ReceiptNews['signed'][number]): void
  claim(one: ReceiptNews['claims'][number]): void
  /** A receipt that no reading brings. */
  made(one: Made): void
  /** The node of this chain is gone: nobody waits for it to settle. */
  forget(chain: string): void
  close(): void
}

type Made = NonNullable<ReceiptNews['made']>[number]

const GATHER_MS = 400
const RETRY_MS = 1_000
/** A chain whose readings are not in the ledger yet is asked for again. */
const ASK_EVERY_MS = 2_000
const HEADS_PER_CALL = 64
const CLAIMS_PER_CALL = 2
const MADE_PER_CALL = 256
/** What nobody takes any more comes back as a claim. */
const WAITING_MAX = 4_096
/** Copies that one node has waiting here; of an honest one there is one at a time, and what is dropped it brings again. */
const CLAIMS_PER_NODE = 2

const newsCall = cellCall(subjects.receipts, ReceiptNews, ReceiptNewsReply)

export function createReceiptReport(
  { bus, clock, log }: { bus: Bus; clock: Clock; log: Log },
  options: { gatewayId: string; onSettled: (chain: string, number: number) => void },
): ReceiptReport {
  const signed: ReceiptNews['signed'] = []
  const claims: ReceiptNews['claims'] = []
  const made: Made[] = []
  /** By chain, the number that is signed and not known to be settled. */
  const unsettled = new Map<string, number>()
  let isDue = false
  let isCalling = false
  let isClosed = false

  function soon(delayMs: number): void {
    if (isDue || isCalling || isClosed) return
    isDue = true
    clock.after(delayMs, call)
  }

  function call(): void {
    isDue = false
    if (isClosed || isCalling) return
    const heads = signed.slice(0, HEADS_PER_CALL)
    const brought = claims.slice(0, CLAIMS_PER_CALL)
    const asked = [...unsettled.keys()].slice(0, HEADS_PER_CALL)
    const added = made.slice(0, MADE_PER_CALL)
    if (heads.length + brought.length + asked.length + added.length === 0) return
    isCalling = true
    const news = { gatewayId: options.gatewayId, signed: heads, claims: brought, asked, made: added }
    callCell({ bus, log }, newsCall, news, (reply) => {
      isCalling = false
      if (isClosed) return
      if (!reply) return soon(RETRY_MS)
      signed.splice(0, heads.length)
      claims.splice(0, brought.length)
      made.splice(0, added.length)
      for (const { chain, number } of reply.settled) settle(chain, number)
      // Those that were asked about go to the end of the line.
      for (const chain of asked) {
        const number = unsettled.get(chain)
        if (number === undefined || !unsettled.delete(chain)) continue
        unsettled.set(chain, number)
      }
      if (signed.length + claims.length + made.length > 0) soon(GATHER_MS)
      else if (unsettled.size > 0) soon(ASK_EVERY_MS)
    })
  }

  function settle(chain: string, number: number): void {
    options.onSettled(chain, number)
    if (number >= (unsettled.get(chain) ?? 0)) unsettled.delete(chain)
  }

  return {
    signed(one) {
      if (signed.length >= WAITING_MAX) return
      signed.push(one)
      unsettled.set(one.head.chain, one.head.number)
      soon(GATHER_MS)
    },
    claim(one) {
      const ofNode = claims.filter(({ nodeId }) => nodeId === one.nodeId)
      if (ofNode.length >= CLAIMS_PER_NODE || claims.length >= WAITING_MAX) return
      claims.push(one)
      soon(GATHER_MS)
    },
    made(one) {
      // It comes with its node's signature, then.
      if (made.length >= WAITING_MAX) return
      made.push(one)
      soon(GATHER_MS)
    },
    forget: (chain) => void unsettled.delete(chain),
    close() {
      isClosed = true
    },
  }
}
