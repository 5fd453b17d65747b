import { wilson } from '#sim/reliability/scenario.ts'

/** A share with its Wilson interval: `99.970 % (95 %: 99.910 to 99.990 %, 9,997 of 10,000)`. */
export function shareText(hits: number, count: number): string {
  if (count === 0) return 'none of none'
  const percent = (share: number): string => (100 * share).toFixed(share > 0.99 && share < 1 ? 3 : 2)
  const [low, high] = wilson(hits, count)
  const counts = `${hits.toLocaleString('en')} of ${count.toLocaleString('en')}`
  return `${percent(hits / count)} % (95 %: ${percent(low)} to ${percent(high)} %, ${counts})`
}
