/** Who gives way in a queue that is full, so that nobody takes it all for himself. */

/** Takes the oldest of the group with most in `queue` out of it; of groups with as many, of the one that is first. */
export function crowdedOut<Item>(queue: Item[], groupOf: (item: Item) => string): Item | undefined {
  const counts = new Map<string, number>()
  for (const item of queue) counts.set(groupOf(item), (counts.get(groupOf(item)) ?? 0) + 1)
  const most = Math.max(0, ...counts.values())
  const at = queue.findIndex((item) => counts.get(groupOf(item)) === most)
  return at < 0 ? undefined : queue.splice(at, 1)[0]
}
