/** The three questions of whoever meets a forecast for the first time, each with one word and one line of figures. */
import type { NetworkAdvice, RiskTolerance } from './advisor.ts'
import type { RoiReport } from './economics.ts'
import { usdText } from './usd-text.ts'

export interface Answer {
  readonly question: string
  readonly short: string
  readonly tone: 'good' | 'warning' | 'bad'
  /** Whole sentences with the figures that the short answer rests on. */
  readonly text: string
}

export interface Ranking {
  readonly months: number
  readonly tolerance: RiskTolerance
  readonly rows: readonly NetworkAdvice[]
}

/** `ranking` is `null` where no networks were compared: then nothing is said of where. */
export function answersOf(report: RoiReport, ranking: Ranking | null): Answer[] {
  return [runAnswer(report, ranking), buyAnswer(report), ...(ranking ? [whereAnswer(ranking)] : [])]
}

type Verdict = Pick<Answer, 'short' | 'tone'>
const yes: Verdict = { short: 'Yes', tone: 'good' }
const likely: Verdict = { short: 'Mostly yes', tone: 'good' }
const toss: Verdict = { short: 'A coin toss', tone: 'warning' }
const hardly: Verdict = { short: 'Hardly', tone: 'bad' }
const no: Verdict = { short: 'No', tone: 'bad' }
const unsaid: Verdict = { short: 'Not known yet', tone: 'warning' }

/** By the share of the futures that lose. */
function byLoss(lossShare: number): Verdict {
  if (lossShare < 0.1) return yes
  if (lossShare < 0.35) return likely
  if (lossShare < 0.65) return toss
  return lossShare < 0.9 ? hardly : no
}

/** What rests on a list price is said with it: that is what the most hangs on. */
function atListPrice({ inputs }: RoiReport, verdict: Verdict): Verdict {
  const isList = inputs.some(({ name, boundWhy }) => name === 'price' && boundWhy !== undefined)
  return isList && verdict.tone === 'good'
    ? { ...verdict, short: `${verdict.short}, at the list price` }
    : verdict
}

function runAnswer(report: RoiReport, ranking: Ranking | null): Answer {
  const { account, breakEvens, forecast, gpu } = report
  const question = gpu.count === 1 ? 'Run the one you own?' : 'Run those you own?'
  if (account === null) return { question, ...unsaid, text: withoutResult(report) }
  const { cashUsdPerDay: cash, revenueUsdPerDay: revenue, electricityUsdPerDay: electricity } = account
  const left =
    cash >= 0
      ? `${usdText(cash)} a day is left after electricity and fixed costs.`
      : revenue > electricity
        ? `It earns its electricity and ${usdText(revenue - electricity)} a day more, but not all of its fixed costs: ${usdText(-cash)} a day are missing.`
        : `It loses ${usdText(-cash)} a day: its electricity costs more than it earns.`
  const line = breakEvens.cashUsdPerKwh
  const yours = report.terms?.electricityUsdPerKwh ?? 0
  const until =
    line === null || line <= 0 ? '' : ` It pays up to ${usdText(line)}/kWh; you pay ${usdText(yours)}.`
  const range = forecast
    ? ` ${sentence(rangeText(forecast.cash.netUsd, forecast.months))}; ${lossText(forecast.cash.lossShare)}.`
    : ''
  const verdict = forecast ? byLoss(forecast.cash.lossShare) : cash > 0 ? yes : no
  const isLosing = (ranking?.rows ?? []).some(({ atOwnPrice }) => (atOwnPrice?.medianUsd ?? 0) < 0)
  const but =
    isLosing && verdict.tone === 'good'
      ? ' At the lower prices that were seen on some networks it loses.'
      : ''
  return { question, ...atListPrice(report, verdict), text: `${left}${until}${range}${but}` }
}

function buyAnswer(report: RoiReport): Answer {
  const { account, capital, forecast, unknowns, gpu } = report
  const question = gpu.count === 1 ? 'Buy one?' : `Buy ${gpu.count}?`
  if (capital === null) {
    const why = unknowns.find(({ name }) => name === 'purchase')?.why ?? ''
    return { question, ...unsaid, text: `Say what it would cost you (--purchase). ${why}`.trim() }
  }
  const price = usdText(capital.purchaseUsd)
  if (account === null)
    return { question, ...unsaid, text: `For ${price}: that hangs on what is missing above.` }
  if (!forecast?.economic) {
    const net = account.netUsdPerDay ?? 0
    const text = `For ${price}: ${usdText(net)} a day once its fall in value is counted.`
    return { question, ...atListPrice(report, net > 0 ? yes : no), text }
  }
  const { netUsd, lossShare } = forecast.economic
  const text = `For ${price}, rented out and then sold ${rangeText(netUsd, forecast.months)}; ${lossText(lossShare)}.`
  return { question, ...atListPrice(report, byLoss(lossShare)), text }
}

const rangeText = ({ p5, p50 }: { p5: number; p50: number }, months: number): string =>
  `after ${monthsText(months)}: ${usdText(p50)} in the middle case, ${usdText(p5)} or less in one of twenty`

const monthsText = (months: number): string => `${months} ${months === 1 ? 'month' : 'months'}`
const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
const lossText = (share: number): string =>
  share < 0.005 ? 'hardly any future loses' : `${percent(share)} of the futures lose`

function withoutResult({ unknowns, breakEvens }: RoiReport): string {
  const asked = unknowns
    .filter(({ blocks }) => blocks === 'everything')
    .map(({ label, flag }) => `the ${label} (${flag})`)
  const { cashUsdPerKwh: kwh, minimumCashPriceUsdPerGpuHour: price } = breakEvens
  const line =
    kwh !== null && kwh > 0
      ? ` Yes below ${usdText(kwh)}/kWh.`
      : kwh !== null
        ? ' It would lose even with free electricity.'
        : price !== null
          ? ` Yes from ${usdText(price)} a GPU-hour up.`
          : ''
  return `Tell ${asked.join(' and ')}.${line}`
}

function whereAnswer({ rows, months }: Ranking): Answer {
  const question = 'Where?'
  const [best, second] = rows.filter(({ status }) => status === 'ranked')
  if (!best) return { question, ...unsaid, text: 'No network can be ranked yet.' }
  const isPaying = (best.medianUsd ?? 0) > 0
  const others = second ? `, then ${second.name} with ${usdText(second.medianUsd ?? 0)}` : ''
  const text = `${best.name} leaves ${usdText(best.medianUsd ?? 0)} within ${monthsText(months)} in the middle case${others}, ${atRent(best)}.${seenText(rows)}`
  return {
    question,
    short: isPaying ? best.name : 'Nowhere',
    tone: isPaying ? 'good' : 'bad',
    text: isPaying ? text : `No network that can be ranked pays. ${text}`,
  }
}

function atRent({ price }: NetworkAdvice): string {
  if (price === null) return 'at its price'
  const rent = `${usdText(price.usdPerGpuHour)} a GPU-hour`
  return price.isOwn ? `at ${rent} there` : `if renters pay ${rent} on all of them, which not all publish`
}

/** What networks publish themselves is often far below the market's list price: to be seen before any decision. */
function seenText(rows: readonly NetworkAdvice[]): string {
  const seen = rows.flatMap(({ name, atOwnPrice }) =>
    atOwnPrice
      ? [`${name} at ${usdText(atOwnPrice.price.usdPerGpuHour)} leaves ${usdText(atOwnPrice.medianUsd)}`]
      : [],
  )
  return seen.length === 0 ? '' : ` At the prices that were seen there: ${seen.join('; ')}.`
}

const percent = (share: number): string => `${Math.round(share * 100)} %`
