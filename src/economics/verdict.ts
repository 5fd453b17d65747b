/** What it all comes to, in one honest sentence. */
import type { DailyAccount } from './daily-account.ts'
import type { Unknown } from './input-lines.ts'
import type { Simulation } from './simulate.ts'
import { usdText } from './usd-text.ts'

export interface VerdictOf {
  readonly gpuName: string
  readonly gpuCount: number
  readonly account: DailyAccount | null
  readonly cashBreakEvenUsdPerKwh: number | null
  /** The lowest price that covers all costs, the loss of value among them; `null` where that is not known. */
  readonly minimumPriceUsdPerGpuHour: number | null
  readonly minimumCashPriceUsdPerGpuHour: number | null
  readonly purchaseUsd: number | null
  readonly forecast: Simulation | null
  readonly unknowns: readonly Unknown[]
  readonly upperBounds: readonly string[]
}

export function verdictOf(of: VerdictOf): string {
  const bounds =
    of.upperBounds.length > 0 ? `; take it as an upper bound, as ${of.upperBounds.join(' and ')}` : ''
  if (of.account === null) return `${unsaid(of)}${bounds}.`
  return `${ofOwner(of, of.account)}; ${ofBuyer(of, of.account)}${bounds}.`
}

const machine = ({ gpuName, gpuCount }: VerdictOf): string =>
  gpuCount === 1 ? `the ${gpuName}` : `the ${gpuCount} ${gpuName}`

/** What can be said without what is missing. */
function unsaid(of: VerdictOf): string {
  const asked = of.unknowns
    .filter(({ blocks }) => blocks === 'everything')
    .map(({ label, flag }) => `${label} (${flag})`)
  const needed = `Whether ${machine(of)} pays cannot be said before you tell the ${asked.join(' and the ')}`
  const { cashBreakEvenUsdPerKwh: kwh, minimumPriceUsdPerGpuHour: price } = of
  const { minimumCashPriceUsdPerGpuHour: cashPrice } = of
  if (kwh !== null && kwh > 0) return `${needed}; running it pays below ${usdText(kwh)}/kWh`
  if (kwh !== null) return `${needed}; it would lose even with free electricity`
  if (price !== null) return `${needed}; it covers all its costs from ${usdText(price)} a GPU-hour up`
  if (cashPrice !== null)
    return `${needed}; it covers its electricity and fixed costs from ${usdText(cashPrice)} a GPU-hour up, its loss of value aside`
  return needed
}

/** From here on "run it" would promise too much. */
export const RISKY = 0.35

function ofOwner(of: VerdictOf, account: DailyAccount): string {
  const { cashUsdPerDay: cash, revenueUsdPerDay: revenue, electricityUsdPerDay: electricity } = account
  const line = of.cashBreakEvenUsdPerKwh
  const lossShare = of.forecast?.cash.lossShare ?? 0
  if (cash > 0 && lossShare >= RISKY) {
    const months = of.forecast?.months
    return `If you own ${machine(of)}, it pays today, but not by much: about ${usdText(cash)} a day is left after electricity and fixed costs, and as rents fall ${Math.round(lossShare * 100)} % of the futures lose money within ${months} months`
  }
  if (cash > 0) {
    const until = line === null ? '' : `, and it pays up to ${usdText(line)}/kWh`
    return `If you own ${machine(of)}, run it: about ${usdText(cash)} a day is left after electricity and fixed costs${until}`
  }
  if (revenue > electricity) {
    return `If you own ${machine(of)}, it earns its electricity but not its fixed costs: ${usdText(-cash)} a day are missing`
  }
  const below = line !== null && line > 0 ? `, and would pay only below ${usdText(line)}/kWh` : ''
  return `Do not run ${machine(of)} like this: it loses ${usdText(-cash)} a day${below}`
}

function ofBuyer(of: VerdictOf, account: DailyAccount): string {
  const { purchaseUsd, forecast } = of
  if (purchaseUsd === null) return 'whether to buy one cannot be said without its price (--purchase)'
  const price = usdText(purchaseUsd)
  const buying = of.gpuCount === 1 ? `buying one for ${price}` : `buying them for ${price}`
  const loss = forecast?.economic?.lossShare
  if (loss === undefined) {
    const net = account.netUsdPerDay ?? 0
    return net > 0
      ? `${buying} leaves ${usdText(net)} a day after what it loses in value`
      : `${buying} loses ${usdText(-net)} a day once its fall in value is counted`
  }
  return `${buying} ${chanceText(loss)}: ${Math.round(loss * 100)} % of the futures lose money within ${forecast?.months} months`
}

function chanceText(lossShare: number): string {
  if (lossShare < 0.1) return 'rarely loses'
  if (lossShare < 0.35) return 'gains more often than it loses'
  if (lossShare < 0.65) return 'is close to a coin toss'
  if (lossShare < 0.9) return 'loses more often than it gains'
  return 'nearly always loses'
}
