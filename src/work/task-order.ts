/** The part of a step that is done from all over it first, so that a bad shot is seen early. */
const SPREAD_SHARE = 0.05

/**
 * The order in which `count` tasks begin: the first, the last, the middle one, then the middles of what lies between, for
 * the first twentieth; then one after the other, as neighbours share what a node has loaded.
 */
export function taskOrder(count: number): number[] {
  const spread = Math.min(count, Math.max(3, Math.ceil(count * SPREAD_SHARE)))
  const order = bisected(count, spread)
  const seen = new Set(order)
  for (let place = 0; place < count; place++) if (!seen.has(place)) order.push(place)
  return order
}

/** The first `length` of all places, each the middle of the widest gap that the ones before left, breadth first. */
function bisected(count: number, length: number): number[] {
  const order = count > 1 ? [0, count - 1] : [0]
  const gaps: [number, number][] = [[0, count - 1]]
  for (let next = 0; order.length < length && next < gaps.length; next++) {
    const [from, to] = gaps[next] ?? [0, 0]
    if (to - from < 2) continue
    const middle = (from + to) >> 1
    order.push(middle)
    gaps.push([from, middle], [middle, to])
  }
  return order.slice(0, length)
}
