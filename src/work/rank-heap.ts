/** A heap of numbers in a plain array, the least first: part of a state, so its layout follows from its history alone. */

export function pushRank(heap: number[], rank: number): void {
  heap.push(rank)
  siftUp(heap, heap.length - 1, rank)
}

export function popRank(heap: number[]): number | undefined {
  const [least] = heap
  const last = heap.pop()
  if (least === undefined || last === undefined || heap.length === 0) return least
  siftDown(heap, 0, last)
  return least
}

/** Takes `rank` out; it is usually among the first few. */
export function dropRank(heap: number[], rank: number): void {
  const index = heap.indexOf(rank)
  const last = heap.pop()
  if (index === -1 || last === undefined) {
    if (last !== undefined) heap.push(last)
    return
  }
  if (index === heap.length) return
  const parent = heap[(index - 1) >> 1]
  if (index > 0 && parent !== undefined && last < parent) siftUp(heap, index, last)
  else siftDown(heap, index, last)
}

/** The least rank that `isWanted`, looking at no more than the `looks` least ones; `null` where none of those is. */
export function findRank(
  heap: readonly number[],
  looks: number,
  isWanted: (rank: number) => boolean,
): number | null {
  const frontier = heap.length > 0 ? [0] : []
  for (let look = 0; look < looks && frontier.length > 0; look++) {
    let best = 0
    for (let at = 1; at < frontier.length; at++) {
      if (rankAt(heap, frontier[at]) < rankAt(heap, frontier[best])) best = at
    }
    const [index = 0] = frontier.splice(best, 1)
    const rank = rankAt(heap, index)
    if (isWanted(rank)) return rank
    for (const child of [2 * index + 1, 2 * index + 2]) if (child < heap.length) frontier.push(child)
  }
  return null
}

const rankAt = (heap: readonly number[], index: number | undefined): number =>
  heap[index ?? -1] ?? Number.POSITIVE_INFINITY

function siftUp(heap: number[], from: number, rank: number): void {
  let index = from
  while (index > 0) {
    const parent = (index - 1) >> 1
    const above = heap[parent] ?? 0
    if (above <= rank) break
    heap[index] = above
    index = parent
  }
  heap[index] = rank
}

function siftDown(heap: number[], from: number, rank: number): void {
  let index = from
  for (;;) {
    let child = 2 * index + 1
    if (child >= heap.length) break
    if (rankAt(heap, child + 1) < rankAt(heap, child)) child++
    const below = rankAt(heap, child)
    if (below >= rank) break
    heap[index] = below
    index = child
  }
  heap[index] = rank
}
