/**
 * A month of a thousand customers on dedicated community machines: what was sold is kept, and what is posted is what anybody can work
 * out from the raw readings. And a bad end of a month, so that there are credits to work out.
 */
import { DAY_MS, HOUR_MS } from '#kernel/time.ts'
import { type Figures, type Scenario, shareFigures } from '../scenario.ts'
import { type CustomerMonth, type MonthRun, runMonth } from './month-run.ts'

const KEPT_MIN = 0.999
const MONTH = { machines: 20, customers: 1_000, requests: 30_000 }
const QUICK = { machines: 16, customers: 200, requests: 2_000, days: 2 }
/** So many requests that the lost hours are lost to everybody: below what each class promises. */
const BAD = { machines: 12, customers: 18, requests: 5_000, days: 2, outageMs: 20 * HOUR_MS }

export const slaMonth: Scenario = async ({ seed, isQuick }) => {
  const run = await runMonth(seed, isQuick ? QUICK : MONTH)
  const bad = await runMonth(seed + 1, BAD)
  const kept = run.customers.filter(isKept).length
  const all = [...run.customers, ...bad.customers]
  const differing = all.filter(isDifferent).length
  const figures: Figures = {
    customers: run.customers.length,
    requests: run.completed + run.failed,
    failedRequests: run.failed,
    ...shareFigures('kept', kept, run.customers.length),
    worstUptimePercent: Math.min(...run.customers.map(({ uptimePpb }) => uptimePpb)) / 1e7,
    machines: (isQuick ? QUICK : MONTH).machines,
    machinesThereMin: run.thereMin,
    machinesLost: run.machinesLost,
    serversLost: run.serversLost,
    failovers: run.failovers,
    statementsThatDiffer: differing,
    badCustomers: bad.customers.length,
    badCredited: bad.customers.filter(({ posted }) => posted > 0n).length,
    ...ratesOf(bad),
    badFailedRequests: bad.failed,
    badPostedUsd: usd(bad.customers.reduce((sum, { posted }) => sum + posted, 0n)),
    badRecountedUsd: usd(bad.customers.reduce((sum, { recounted }) => sum + recounted.credit, 0n)),
    postedAfterHours: Math.round((bad.postedAfterMs / HOUR_MS) * 10) / 10,
  }
  return {
    figures,
    promises: {
      tierMetIn999: kept / Math.max(1, run.customers.length) >= KEPT_MIN,
      everyCustomerHasAStatement: run.customers.length === (isQuick ? QUICK : MONTH).customers,
      creditsAreWhatReadingsComeTo: differing === 0,
      creditsWerePosted: bad.customers.every(({ posted, received }) => posted > 0n && received === posted),
      withinADay: bad.postedAfterMs > 0 && bad.postedAfterMs <= DAY_MS,
    },
  }
}

const isKept = ({ uptimePpb, targetPpb }: CustomerMonth): boolean => uptimePpb >= targetPpb

const isDifferent = ({ uptimePpb, posted, received, recounted }: CustomerMonth): boolean =>
  BigInt(uptimePpb) !== recounted.uptime || posted !== recounted.credit || received !== posted

/** Of what was charged, what each class gave back, in percent. */
function ratesOf({ customers }: MonthRun): Figures {
  const sums = new Map<string, { charges: bigint; posted: bigint }>()
  for (const { slaClass, posted, recounted } of customers) {
    const sum = sums.get(slaClass) ?? { charges: 0n, posted: 0n }
    sums.set(slaClass, { charges: sum.charges + recounted.charges, posted: sum.posted + posted })
  }
  return Object.fromEntries(
    [...sums].map(([slaClass, { charges, posted }]) => [
      `bad${slaClass[0]?.toUpperCase()}${slaClass.slice(1)}CreditPercent`,
      Math.round((1e4 * Number(posted)) / Math.max(1, Number(charges))) / 100,
    ]),
  )
}

const usd = (nano: bigint): number => Number(nano) / 1e9
