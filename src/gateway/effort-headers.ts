import type { RequestRun } from './request-run.ts'

/** How many nodes were asked for the answer, and what of the time until its head went by in queues. */
export function effortHeaders(runs: readonly Pick<RequestRun, 'effort'>[]): Record<string, string> {
  let asked = 0
  let waitedMs = 0
  for (const run of runs) {
    const effort = run.effort()
    asked += effort.asked
    waitedMs = Math.max(waitedMs, effort.waitedMs)
  }
  return { 'x-shoal-attempts': String(asked), 'server-timing': `queue;dur=${waitedMs.toFixed(1)}` }
}
