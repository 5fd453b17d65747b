import type { RoiReport } from '../../src/economics/economics.ts'
import { usdText } from '../../src/economics/usd-text.ts'
import { daysText, shareText } from './format.ts'

export function BreakEvenTable({ report }: { report: RoiReport }) {
  const fields = breakEvenFields(report).filter(([, text]) => text !== null)
  if (fields.length === 0) return null
  return (
    <section className="panel" aria-labelledby="even">
      <h2 id="even">Where it breaks even</h2>
      <dl className="fields">
        {fields.map(([name, text]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

function breakEvenFields(report: RoiReport): (readonly [name: string, text: string | null])[] {
  const { breakEvens: at, payback, capital, terms } = report
  const online = terms?.availability ?? 1
  const pays = (days: number | null): string =>
    days === null ? 'never' : days === 0 ? 'at once' : daysText(days)
  const says = <T,>(value: T | null, text: (value: T) => string): string | null =>
    value === null ? null : text(value)
  return [
    ['Running it pays below', says(at.cashUsdPerKwh, perKwh)],
    ['Owning it pays below', says(at.fullUsdPerKwh, perKwh)],
    ['Running it pays from', says(at.cashUtilisationShare, (share) => rented(share, online))],
    ['Owning it pays from', says(at.fullUtilisationShare, (share) => rented(share, online))],
    ['Least list price for cash costs', says(at.minimumCashPriceUsdPerGpuHour, perHour)],
    ['Least list price for all costs', says(at.minimumPriceUsdPerGpuHour, perHour)],
    ['All costs of a rented hour', says(at.costUsdPerGpuHour, perHour)],
    ['Paid back by cash', says(payback, ({ days }) => pays(days))],
    ['… with what it then fetches', says(payback, ({ withResaleDays }) => pays(withResaleDays))],
    [`Net present value, ${capital?.lifeYears} years`, says(report.netPresentValueUsd, usdText)],
    [
      'Return on the money bound',
      says(report.internalRateOfReturnPerYear, (share) => `${shareText(share)} a year`),
    ],
  ]
}

const perKwh = (usd: number): string =>
  usd > 0 ? `${usdText(usd)}/kWh` : 'no price: it would lose even with free electricity'
const perHour = (usd: number): string => `${usdText(usd)}/GPU-hour`

function rented(share: number, online: number): string {
  if (share > online)
    return `no share of hours: ${shareText(share)} would be needed, ${shareText(online)} are online`
  return share <= 0 ? 'the first hour' : `${shareText(share)} of all hours rented`
}
