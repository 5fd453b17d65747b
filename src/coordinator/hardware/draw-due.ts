/** Chance that nobody can foresee, from random bytes. */

/** Uniform in `[0, 1)`, from four bytes. */
export const uniform = (bytes: Uint8Array): number =>
  ((((bytes[0] ?? 0) << 24) | ((bytes[1] ?? 0) << 16) | ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0)) >>> 0) /
  2 ** 32

/** How many of what happens `mean` times on average happen now, by Poisson's law; `draw` is uniform in `[0, 1)`. */
export function drawDue(draw: number, mean: number): number {
  let probability = Math.exp(-mean)
  let sum = probability
  let count = 0
  while (draw >= sum && probability > 1e-12) {
    count++
    probability *= mean / count
    sum += probability
  }
  return count
}

/** So many different rows of `rows`, a power of two; all of them where there are not more. */
export function drawRows(
  draw: (length: number) => Uint8Array,
  rows: number,
  count: number,
): readonly number[] {
  if (rows <= count) return Array.from({ length: rows }, (_, row) => row)
  const drawn = new Set<number>()
  while (drawn.size < count) drawn.add(Math.floor(uniform(draw(4)) * rows))
  return [...drawn]
}
