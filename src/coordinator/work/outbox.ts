import type { WorkOrder } from '#protocol/work-link.ts'
import type { Turn } from '../turn.ts'

/** What nodes are told, in order. */
export type NodeOrder = { readonly nodeId: string; readonly order: WorkOrder }

export type OrdersSender = (orders: readonly NodeOrder[]) => void

/** Gathers what a turn tells nodes; it leaves as one once the turn is durable, in the order of the turns. */
export function createOutbox(send: OrdersSender) {
  let gathering: { readonly turn: Turn; readonly orders: NodeOrder[] } | null = null
  return {
    order(turn: Turn, nodeId: string, order: WorkOrder): void {
      if (gathering?.turn === turn) return void gathering.orders.push({ nodeId, order })
      const orders = [{ nodeId, order }]
      gathering = { turn, orders }
      turn.after(() => send(orders))
    },
  }
}
