import type { RoiReport } from '../../src/economics/economics.ts'
import { usdText } from '../../src/economics/usd-text.ts'
import { daysText, shareText } from './format.ts'
import type { View } from './link.ts'

interface Figure {
  readonly label: string
  readonly value: string
  readonly unit: string
  readonly tone: 'good' | 'bad' | 'plain'
}

/** The few numbers that stay in sight while the sliders move. */
export function FigureBar({ report, view }: { report: RoiReport; view: View }) {
  const figures = view === 'own' ? ofOwner(report) : ofBuyer(report)
  if (figures.length === 0) return null
  return (
    <dl className="figures" aria-label="Main figures">
      {figures.map(({ label, value, unit, tone }) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>
            <span className={tone === 'plain' ? '' : tone}>{value}</span> <small>{unit}</small>
          </dd>
        </div>
      ))}
    </dl>
  )
}

const toneOf = (value: number): Figure['tone'] => (value >= 0 ? 'good' : 'bad')

function ofOwner({ account, forecast, breakEvens }: RoiReport): Figure[] {
  if (!account) return []
  const { cashUsdPerDay: cash } = account
  const line = breakEvens.cashUsdPerKwh
  return [
    { label: 'Left in cash', value: usdText(cash), unit: 'a day', tone: toneOf(cash) },
    ...ofOutlook(forecast?.cash, forecast?.months),
    ...(line === null
      ? []
      : [
          {
            label: 'Pays up to',
            value: line > 0 ? usdText(line) : 'no price',
            unit: line > 0 ? '/kWh' : '',
            tone: 'plain',
          } as const,
        ]),
  ]
}

function ofBuyer({ account, forecast, payback }: RoiReport): Figure[] {
  if (!account) return []
  const { netUsdPerDay: net, cashUsdPerDay: cash } = account
  const days = payback?.days
  return [
    net === null
      ? { label: 'Left in cash', value: usdText(cash), unit: 'a day', tone: toneOf(cash) }
      : { label: 'Left of the money', value: usdText(net), unit: 'a day', tone: toneOf(net) },
    ...ofOutlook(forecast?.economic ?? undefined, forecast?.months),
    ...(payback === null
      ? []
      : [
          {
            label: 'Paid back',
            value: days == null ? 'never' : daysText(days),
            unit: days == null ? '' : 'by cash',
            tone: 'plain',
          } as const,
        ]),
  ]
}

function ofOutlook(outlook: NonNullable<RoiReport['forecast']>['cash'] | undefined, months = 12): Figure[] {
  if (!outlook) return []
  const { p50 } = outlook.netUsd
  return [
    { label: 'Middle case', value: usdText(p50), unit: `in ${months} months`, tone: toneOf(p50) },
    { label: 'Loses in', value: shareText(outlook.lossShare), unit: 'of futures', tone: 'plain' },
  ]
}
