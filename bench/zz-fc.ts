import { monthPlan } from '/work/main/src/sim/fleet-run.ts'
import { runForecast } from '/work/main/src/sim/forecast-run.ts'
import { scoreOf } from '/work/main/src/sim/forecast-score.ts'
const week = { ...monthPlan, nodes: 12, gateways: 1, requestsPerNodeHour: 3, days: 10, forecastDay: 7 }
for (const seed of process.argv.slice(2).map(Number)) { const { outcomes } = await runForecast(seed, week); const s = scoreOf(outcomes); console.log(seed, s.median, s.nodes, s.withoutRecord) }
