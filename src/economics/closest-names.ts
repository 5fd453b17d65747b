/** How many letters have to be added, left out, changed or swapped with their neighbour to make `b` of `a`. */
export function editDistance(a: string, b: string): number {
  let [before, row] = [[] as number[], Array.from({ length: b.length + 1 }, (_, at) => at)]
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let least = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (same ? 0 : 1))
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwap) least = Math.min(least, (before[j - 2] ?? 0) + 1)
      next.push(least)
    }
    ;[before, row] = [row, next]
  }
  return row[b.length] ?? 0
}

/** The `countMax` of `items` whose texts are most like `text`, best first; those as good as each other keep their order. */
export function closest<T>(
  text: string,
  items: readonly T[],
  { textsOf, countMax }: { textsOf: (item: T) => readonly string[]; countMax: number },
): T[] {
  const scored = items.map((item) => ({
    item,
    score: Math.min(...textsOf(item).map((own) => unlikeness(text, own))),
  }))
  return scored
    .sort((a, b) => a.score - b.score)
    .slice(0, countMax)
    .map(({ item }) => item)
}

/** A word in common counts for more than letters; then 0 is the same, 1 has no letter in common. */
function unlikeness(a: string, b: string): number {
  const words = b.split(' ')
  const shared = a.split(' ').filter((word) => words.includes(word)).length
  return editDistance(a, b) / Math.max(a.length, b.length, 1) - shared
}
