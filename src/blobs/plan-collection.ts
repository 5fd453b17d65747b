/**
 * What of an organisation's packs may go. Pure: from what is needed and how old things are to what is deleted and what
 * is written anew. The order in which a plan is carried out keeps every moment of it safe: records of objects go first,
 * then packs of which nothing is needed; others are written anew, and only then the old ones go.
 */
import type { TimestampMs } from '#kernel/time.ts'
import type { HeldObject, HeldPack } from './holdings.ts'

export interface CollectionRules {
  /** Nothing younger goes, nor what somebody was told of since. */
  readonly graceMs: number
  /** A pack is written anew when less than this share of it is needed. */
  readonly usedShareMin: number
  /** Packs below it are small: many of them become one. */
  readonly smallBytes: number
  readonly smallPacksMax: number
}

export const collectionRules: CollectionRules = {
  graceMs: 24 * 3_600_000,
  usedShareMin: 0.5,
  smallBytes: 1 << 20,
  smallPacksMax: 32,
}

/** Objects that nothing needs: no root reaches them, and nobody was told of them lately. */
export function unneededObjects(
  objects: Iterable<HeldObject>,
  { needed, nowMs, graceMs }: { needed: ReadonlySet<string>; nowMs: TimestampMs; graceMs: number },
): string[] {
  const unneeded: string[] = []
  for (const { sha256, createdAtMs, heldAtMs } of objects) {
    const isYoung = nowMs - Math.max(createdAtMs, heldAtMs) < graceMs
    if (!isYoung && !needed.has(sha256)) unneeded.push(sha256)
  }
  return unneeded
}

export interface PackPlan {
  readonly deleted: readonly number[]
  /** Their needed chunks are written anew, then they are deleted. */
  readonly rewritten: readonly number[]
}

/** `neededBytes` is by pack: of its chunks that objects or uploads need and that are looked for there. */
export function planPacks(
  packs: readonly (HeldPack | null)[],
  {
    neededBytes,
    nowMs,
    rules,
  }: { neededBytes: readonly number[]; nowMs: TimestampMs; rules: CollectionRules },
): PackPlan {
  const deleted: number[] = []
  const sparse: number[] = []
  const small: number[] = []
  for (const [packNumber, pack] of packs.entries()) {
    if (!pack || nowMs - Math.max(pack.createdAtMs, pack.heldAtMs) < rules.graceMs) continue
    const needed = neededBytes[packNumber] ?? 0
    if (needed === 0) deleted.push(packNumber)
    else if (needed < pack.dataBytes * rules.usedShareMin) sparse.push(packNumber)
    else if (pack.bytes < rules.smallBytes) small.push(packNumber)
  }
  return { deleted, rewritten: [...sparse, ...(small.length > rules.smallPacksMax ? small : [])] }
}
