/**
 * Which models nodes offered of late. What nobody offers is promised to nobody: who asks for the model of a node that went
 * for good waits in vain, and no fault of the network's is in that. Where no node offers anything the network itself is out, for
 * however long: that is its fault.
 */
import type { Clock } from '#host/host.ts'
import { HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import type { Directory } from './directory.ts'
import type { NodeConnection } from './node-connection.ts'

/** A model that no node offered for so long is offered no more: until then its failures are the network's. */
export const OFFERED_MS = HOUR_MS
const LOOK_EVERY_MS = MINUTE_MS

type Connected = Pick<NodeConnection, 'nodeId' | 'offers'>

export interface OfferedLately {
  /** A node that gets work offers it now. */
  saw(model: string): void
  /**
   * No node that gets work has offered it for `OFFERED_MS`, here or elsewhere, nor does the network host it. What was before
   * this gateway began it does not know, and takes for offered. Nothing is unoffered where no node offers anything.
   */
  isUnoffered(model: string): boolean
  /** Notes what nodes offer, once a minute at most: to be called at least as often. What comes and goes in between has to be told. */
  look(): void
}

export function createOfferedLately(
  clock: Pick<Clock, 'elapsedMs'>,
  directory: Pick<Directory, 'catalogued' | 'isUpElsewhere'>,
  nodes: () => { all(): Iterable<Connected>; ready(): Iterable<Connected> },
): OfferedLately {
  const beganMs = clock.elapsedMs()
  const seen = new Map<string, number>()
  let lookedMs = beganMs

  const saw = (model: string): void => void seen.set(model, clock.elapsedMs())

  const isLately = (model: string): boolean => clock.elapsedMs() - (seen.get(model) ?? beganMs) < OFFERED_MS

  return {
    saw,
    isUnoffered(model) {
      if (isLately(model) || directory.catalogued(model)) return false
      let isAnyOffered = false
      for (const { offers } of nodes().ready()) {
        if (offers.has(model)) return false
        isAnyOffered ||= offers.size > 0
      }
      const here = new Set<string>()
      for (const { nodeId } of nodes().all()) here.add(nodeId)
      if (directory.isUpElsewhere(model, here)) return false
      return isAnyOffered || directory.isUpElsewhere(null, here)
    },
    look() {
      if (clock.elapsedMs() - lookedMs < LOOK_EVERY_MS) return
      lookedMs = clock.elapsedMs()
      for (const { offers } of nodes().ready()) for (const model of offers.keys()) saw(model)
      for (const model of seen.keys()) if (!isLately(model)) seen.delete(model)
    },
  }
}
