import { useId } from 'react'
import type { Percentiles } from '../../src/economics/percentiles.ts'
import type { Outlook, Simulation } from '../../src/economics/simulate.ts'
import { usdText } from '../../src/economics/usd-text.ts'
import { shareText } from './format.ts'
import type { View } from './link.ts'
import { positionIn, shortUsd, ticksOf } from './scale.ts'
import { useWidth } from './use-width.ts'

interface DistributionProps {
  readonly forecast: Simulation
  readonly view: View
}

/** The futures as a shape, from the worst on the left, and in numbers. */
export function Distribution({ forecast, view }: DistributionProps) {
  const { economic, cash, months, paths } = forecast
  const isBought = view === 'buy' && economic !== null
  const shown = isBought ? economic : cash
  const what = isBought ? 'bought today, and sold then' : 'cash'
  return (
    <section className="panel" aria-labelledby="futures">
      <h2 id="futures">What {months} months may bring</h2>
      <p className="hint">
        {paths.toLocaleString('en')} possible futures, {what}, in USD. One in twenty lies below P5, one in
        twenty above P95.
      </p>
      <Shape outlook={shown} label={summaryOf(shown, `${what}, ${months} months`)} />
      <OutlookTable forecast={forecast} />
      <Paybacks payback={forecast.payback} />
    </section>
  )
}

const summaryOf = ({ netUsd, lossShare }: Outlook, what: string): string =>
  `${what}: ${usdText(netUsd.p5)} at the 5th percentile, ${usdText(netUsd.p50)} in the middle, ${usdText(netUsd.p95)} at the 95th; ${shareText(lossShare)} of futures lose.`

const HEIGHT = 190
const TOP = 38
const BOTTOM = 24
const LABEL_GAP = 86

function Shape({ outlook, label }: { outlook: Outlook; label: string }) {
  const [ref, width] = useWidth<HTMLDivElement>()
  const { histogramUsd: bars, netUsd } = outlook
  const range = { low: bars[0]?.from ?? 0, high: bars.at(-1)?.to ?? 1 }
  return (
    <div className="chart" ref={ref} data-chart={`${netUsd.p5} ${netUsd.p50} ${netUsd.p95}`}>
      {width > 0 && (
        <svg width={width} height={HEIGHT} role="img" aria-label={label}>
          <Bars bars={bars} x={positionIn(range, width)} />
          <Axis range={range} width={width} />
          <Marks netUsd={netUsd} x={positionIn(range, width)} width={width} />
        </svg>
      )}
    </div>
  )
}

function Bars({ bars, x }: { bars: Outlook['histogramUsd']; x: (usd: number) => number }) {
  const clip = useId()
  const most = Math.max(...bars.map(({ count }) => count), 1)
  const zero = x(0)
  const shapes = bars.map(({ from, to, count }) => {
    const height = (count / most) * (HEIGHT - TOP - BOTTOM)
    return (
      <rect
        key={from}
        x={x(from) + 0.5}
        y={HEIGHT - BOTTOM - height}
        width={Math.max(x(to) - x(from) - 1, 0.5)}
        height={height}
      />
    )
  })
  return (
    <>
      <clipPath id={clip}>
        <rect x={0} y={0} width={Math.max(zero, 0)} height={HEIGHT} />
      </clipPath>
      <g className="gain">{shapes}</g>
      <g className="loss" clipPath={`url(#${clip})`}>
        {shapes}
      </g>
    </>
  )
}

function Axis({ range, width }: { range: { low: number; high: number }; width: number }) {
  const x = positionIn(range, width)
  const ticks = ticksOf(range.low, range.high, Math.max(2, Math.floor(width / 62)))
  return (
    <g className="axis">
      <line x1={0} x2={width} y1={HEIGHT - BOTTOM} y2={HEIGHT - BOTTOM} />
      {range.low < 0 && range.high > 0 && (
        <line className="zero" x1={x(0)} x2={x(0)} y1={TOP} y2={HEIGHT - BOTTOM} />
      )}
      {ticks.map((usd) => (
        <text key={usd} x={Math.min(Math.max(x(usd), 14), width - 18)} y={HEIGHT - 6} textAnchor="middle">
          {shortUsd(usd)}
        </text>
      ))}
    </g>
  )
}

function Marks({ netUsd, x, width }: { netUsd: Percentiles; x: (usd: number) => number; width: number }) {
  const middle = Math.min(Math.max(x(netUsd.p50), 1.5 * LABEL_GAP), width - 1.5 * LABEL_GAP)
  const marks = [
    { name: 'P5', usd: netUsd.p5, at: Math.min(x(netUsd.p5), middle - LABEL_GAP) },
    { name: 'P50', usd: netUsd.p50, at: middle },
    { name: 'P95', usd: netUsd.p95, at: Math.max(x(netUsd.p95), middle + LABEL_GAP) },
  ]
  return (
    <g className="marks">
      {marks.map(({ name, usd, at }) => (
        <g key={name}>
          <line x1={x(usd)} x2={x(usd)} y1={TOP - 8} y2={HEIGHT - BOTTOM} />
          <text x={Math.min(Math.max(at, LABEL_GAP / 2), width - LABEL_GAP / 2)} y={12} textAnchor="middle">
            {name}
          </text>
          <text
            className="value"
            x={Math.min(Math.max(at, LABEL_GAP / 2), width - LABEL_GAP / 2)}
            y={26}
            textAnchor="middle"
          >
            {usdText(usd)}
          </text>
        </g>
      ))}
    </g>
  )
}

function OutlookTable({
  forecast: { cash, economic, cashBreakEvenUsdPerKwh: line, months },
}: {
  forecast: Simulation
}) {
  const rows = [
    [`Cash, USD in ${months} months`, cash] as const,
    ...(economic ? [['Bought today and sold then, USD', economic] as const] : []),
  ]
  return (
    <table className="outlook">
      <thead>
        <tr>
          <th scope="col">In all</th>
          <th scope="col">P5</th>
          <th scope="col">P50</th>
          <th scope="col">P95</th>
          <th scope="col">P(loss)</th>
          <th scope="col">Worst 5 %, mean</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(([what, { netUsd, lossShare, worstMeanUsd }]) => (
          <tr key={what}>
            <th scope="row">{what}</th>
            <td data-label="P5">{usdText(netUsd.p5)}</td>
            <td data-label="P50">{usdText(netUsd.p50)}</td>
            <td data-label="P95">{usdText(netUsd.p95)}</td>
            <td data-label="P(loss)">{shareText(lossShare)}</td>
            <td data-label="Worst 5 %, mean">{usdText(worstMeanUsd)}</td>
          </tr>
        ))}
        <tr>
          <th scope="row">Electricity at which cash is 0, USD/kWh</th>
          <td data-label="P5">{usdText(line.p5)}</td>
          <td data-label="P50">{usdText(line.p50)}</td>
          <td data-label="P95">{usdText(line.p95)}</td>
          <td />
          <td />
        </tr>
      </tbody>
    </table>
  )
}

function Paybacks({ payback }: Pick<Simulation, 'payback'>) {
  if (payback.length === 0) return null
  return (
    <table className="outlook">
      <thead>
        <tr>
          <th scope="col">Chance that it is paid back</th>
          {payback.map(({ months }) => (
            <th key={months} scope="col">
              ≤ {months} months
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        <tr>
          <th scope="row">by cash alone</th>
          {payback.map(({ months, byCashShare }) => (
            <td key={months}>{shareText(byCashShare)}</td>
          ))}
        </tr>
        <tr>
          <th scope="row">with what it then fetches</th>
          {payback.map(({ months, withResaleShare }) => (
            <td key={months}>{shareText(withResaleShare)}</td>
          ))}
        </tr>
      </tbody>
    </table>
  )
}
