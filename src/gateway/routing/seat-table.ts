/** The nodes of a gateway by the models that they serve. Rebuilt when nodes came, went or reported; what was learned of a node stays. */

import type { Offer } from '../node-connection.ts'
import type { NodeFacts } from '../preferences.ts'
import { ModelSeats } from './model-seats.ts'
import { MachineWork, Seat, type SeatNode } from './seat.ts'

export interface TableNode extends SeatNode {
  readonly offers: ReadonlyMap<string, Offer>
}

interface Machine {
  readonly work: MachineWork
  isHere: boolean
  seenMs: number
}

/** After such an absence a node is as one never seen. */
const FORGOTTEN_AFTER_MS = 10 * 60_000

export class SeatTable<N extends TableNode> {
  readonly #models = new Map<string, ModelSeats<N>>()
  readonly #seats = new Map<string, Map<string, Seat<N>>>()
  readonly #machines = new Map<string, Machine>()

  /** Null while no node serves it. */
  model(model: string): ModelSeats<N> | null {
    const found = this.#models.get(model)
    return found && found.seats.length > 0 ? found : null
  }

  models(): Iterable<ModelSeats<N>> {
    return this.#models.values()
  }

  /** These nodes are here now. */
  rebuild(nodes: Iterable<N>, factsOf: (node: N) => NodeFacts, nowMs: number): void {
    const listed = new Map<string, Seat<N>[]>()
    for (const machine of this.#machines.values()) {
      if (machine.isHere) machine.seenMs = nowMs
      machine.isHere = false
    }
    for (const node of nodes) {
      const work = this.#workOf(node.nodeId, nowMs)
      const facts = factsOf(node)
      for (const [model, offer] of node.offers) {
        const seat = this.#seatOf({ model, node, offer, facts, machine: work, nowMs })
        const list = listed.get(model)
        if (list) list.push(seat)
        else listed.set(model, [seat])
      }
    }
    for (const [model, table] of this.#models) if (!listed.has(model)) table.setSeats([], nowMs)
    for (const [model, seats] of listed) this.#modelOf(model).setSeats(seats, nowMs)
    this.#forget(nowMs)
  }

  #modelOf(model: string): ModelSeats<N> {
    let table = this.#models.get(model)
    if (!table) {
      table = new ModelSeats(model)
      this.#models.set(model, table)
    }
    return table
  }

  #workOf(nodeId: string, nowMs: number): MachineWork {
    const machine = this.#machines.get(nodeId) ?? { work: new MachineWork(), isHere: true, seenMs: nowMs }
    machine.isHere = true
    this.#machines.set(nodeId, machine)
    return machine.work
  }

  #seatOf(parts: ConstructorParameters<typeof Seat<N>>[0]): Seat<N> {
    const { model, node, offer, facts } = parts
    let ofModel = this.#seats.get(model)
    if (!ofModel) {
      ofModel = new Map()
      this.#seats.set(model, ofModel)
    }
    const known = ofModel.get(node.nodeId)
    if (known) {
      known.update(node, offer, facts, parts.nowMs)
      return known
    }
    const seat = new Seat<N>(parts)
    ofModel.set(node.nodeId, seat)
    return seat
  }

  #forget(nowMs: number): void {
    for (const [nodeId, { isHere, seenMs }] of this.#machines) {
      if (!isHere && nowMs - seenMs > FORGOTTEN_AFTER_MS) this.#machines.delete(nodeId)
    }
    for (const [model, ofModel] of this.#seats) {
      for (const [nodeId, seat] of ofModel) {
        if (seat.isListed || seat.busy > 0 || this.#machines.has(nodeId)) continue
        ofModel.delete(nodeId)
        this.#models.get(model)?.prefixes.forget(seat)
      }
      if (ofModel.size > 0) continue
      this.#seats.delete(model)
      this.#models.delete(model)
    }
  }
}
