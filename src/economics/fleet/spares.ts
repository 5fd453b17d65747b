/** How many machines it takes, by the formula for machines that fail each for itself. Simulations are held against it. */
import { assert } from '#kernel/assert.ts'

/** The chance that at least `needed` of `count` machines are up, each of which is with chance `availability`. */
export function atLeastUp(needed: number, count: number, availability: number): number {
  assert(availability > 0 && availability < 1, 'a machine is up now and then')
  let [sum, compensation] = [0, 0]
  let logChance = count * Math.log(availability)
  const odds = Math.log((1 - availability) / availability)
  // So many of them are down.
  for (let down = 0; down <= count - needed; down++) {
    if (down > 0) logChance += odds + Math.log((count - down + 1) / down)
    const term = Math.exp(logChance) - compensation
    const next = sum + term
    compensation = next - sum - term
    sum = next
  }
  return Math.min(1, sum)
}

/** The fewest machines of which at least `needed` are up for the share `target` of the time. */
export function machinesFor(needed: number, availability: number, target: number): number {
  let count = needed
  while (atLeastUp(needed, count, availability) < target) count++
  return count
}

/** The fewest spares that keep `needed` machines up for `target` of the time, when a lost one is replaced after `replaceHours`. */
export const sparesFor = (
  needed: number,
  { meanUpHours, replaceHours }: { readonly meanUpHours: number; readonly replaceHours: number },
  target: number,
): number => machinesFor(needed, meanUpHours / (meanUpHours + replaceHours), target) - needed

/** The longest failover of one machine that fails every `meanUpHours` and is up for the share `target` of the time, in seconds. */
export const failoverSecondsMax = (meanUpHours: number, target: number): number =>
  (meanUpHours * 3_600 * (1 - target)) / target
