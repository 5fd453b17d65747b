import 'uplot/dist/uPlot.min.css'
import { useEffect, useLayoutEffect, useRef, useState } from 'react'
import UPlot from 'uplot'
import type { MonthOutlook, Simulation } from '../../src/economics/simulate.ts'
import { usdText } from '../../src/economics/usd-text.ts'
import { Fold } from './fold.tsx'
import type { View } from './link.ts'
import { shortUsd } from './scale.ts'
import { useWidth } from './use-width.ts'

interface CashChartProps {
  readonly forecast: Simulation
  readonly purchaseUsd: number | null
  readonly view: View
}

/** Cash since the start, month by month: the middle and the band from P5 to P95; for a buyer, what has to be earned back. */
export function CashChart({ forecast: { byMonth, months }, purchaseUsd, view }: CashChartProps) {
  const owedUsd = view === 'buy' ? purchaseUsd : null
  const [month, setMonth] = useState<number | null>(null)
  const at = byMonth[(month ?? months) - 1]
  const [ref, width] = useWidth<HTMLDivElement>()
  const last = byMonth.at(-1)?.totalCashUsd
  const label = last
    ? `Cash since the start: after ${months} months ${usdText(last.p50)} in the middle, between ${usdText(last.p5)} and ${usdText(last.p95)}.`
    : ''
  return (
    <section className="panel" aria-labelledby="cash">
      <h2 id="cash">Cash since the start</h2>
      <p className="hint">
        USD, by month. The line is the middle case, the band holds nine of ten futures.
        {owedUsd !== null &&
          ` The dashed line is the price, ${usdText(owedUsd)}: above it, cash alone has paid for it.`}
      </p>
      <div className="chart plot" ref={ref} role="img" aria-label={label}>
        {width > 0 && <Plot width={width} byMonth={byMonth} owedUsd={owedUsd} onMonth={setMonth} />}
      </div>
      {at && (
        <p className="readout">
          Month {at.month}: <span>P5 {usdText(at.totalCashUsd.p5)}</span>{' '}
          <strong>P50 {usdText(at.totalCashUsd.p50)}</strong> <span>P95 {usdText(at.totalCashUsd.p95)}</span>
        </p>
      )}
      <Fold title="As a table">
        <MonthTable byMonth={byMonth} />
      </Fold>
    </section>
  )
}

interface PlotProps {
  readonly width: number
  readonly byMonth: readonly MonthOutlook[]
  readonly owedUsd: number | null
  /** The month under the pointer, from 1; `null`: none. */
  onMonth(month: number | null): void
}

const HEIGHT = 240

function Plot({ width, byMonth, owedUsd, onMonth }: PlotProps) {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<UPlot | null>(null)
  const scheme = useScheme()
  const hasDebt = owedUsd !== null
  const data = seriesOf(byMonth, owedUsd)
  const current = useRef(data)
  current.current = data
  // Colours are drawn into the picture: another scheme is another picture.
  // biome-ignore lint/correctness/useExhaustiveDependencies: data and width follow below, without a new picture
  useLayoutEffect(() => {
    const element = place.current
    if (!element) return undefined
    const made = new UPlot(optionsOf(element, { width, hasDebt, onMonth }), current.current, element)
    plot.current = made
    return () => made.destroy()
  }, [hasDebt, scheme, onMonth])
  useLayoutEffect(() => plot.current?.setSize({ width, height: HEIGHT }), [width])
  useLayoutEffect(() => plot.current?.setData(data), [data])
  return <div ref={place} />
}

/** Changes when the page turns light or dark. */
function useScheme(): string {
  const read = () =>
    getComputedStyle(document.documentElement).getPropertyValue('color-scheme') + darkQuery.matches
  const [scheme, setScheme] = useState(read)
  useEffect(() => {
    const update = () => setScheme(read())
    darkQuery.addEventListener('change', update)
    const observer = new MutationObserver(update)
    observer.observe(document.documentElement, { attributeFilter: ['data-theme'] })
    return () => {
      darkQuery.removeEventListener('change', update)
      observer.disconnect()
    }
  })
  return scheme
}

const darkQuery = matchMedia('(prefers-color-scheme: dark)')

function seriesOf(byMonth: readonly MonthOutlook[], owedUsd: number | null): UPlot.AlignedData {
  const totals = byMonth.map(({ totalCashUsd }) => totalCashUsd)
  const from0 = (values: number[]) => [0, ...values]
  const xs = from0(byMonth.map(({ month }) => month))
  const lines = [totals.map(({ p5 }) => p5), totals.map(({ p95 }) => p95), totals.map(({ p50 }) => p50)].map(
    from0,
  )
  return [xs, ...lines, ...(owedUsd === null ? [] : [xs.map(() => owedUsd)])] as UPlot.AlignedData
}

function optionsOf(
  element: HTMLElement,
  { width, hasDebt, onMonth }: Pick<PlotProps, 'width' | 'onMonth'> & { hasDebt: boolean },
): UPlot.Options {
  const style = getComputedStyle(element)
  const ink = (name: string): string => style.getPropertyValue(name)
  const font = `12px ${style.fontFamily}`
  const grid = { stroke: ink('--picture-line'), width: 1 }
  const axis = { stroke: ink('--picture-dim'), font, grid, ticks: { show: false } }
  const edge = { stroke: ink('--picture-edge'), width: 1, points: { show: false } }
  return {
    width,
    height: HEIGHT,
    padding: [10, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { x: { time: false } },
    axes: [
      {
        ...axis,
        values: (_plot, marks) => marks.map((mark) => (Number.isInteger(mark) ? String(mark) : '')),
      },
      { ...axis, size: 62, values: (_plot, marks) => marks.map(shortUsd) },
    ],
    series: [
      {},
      edge,
      edge,
      { stroke: ink('--picture-line-strong'), width: 2.5, points: { show: false } },
      ...(hasDebt
        ? [{ stroke: ink('--picture-debt'), width: 1.5, dash: [6, 5], points: { show: false } }]
        : []),
    ],
    bands: [{ series: [2, 1], fill: ink('--picture-band') }],
    hooks: {
      setCursor: [({ cursor: { idx } }) => onMonth(idx == null || idx === 0 ? null : idx)],
    },
  }
}

function MonthTable({ byMonth }: { byMonth: readonly MonthOutlook[] }) {
  return (
    <table className="outlook">
      <thead>
        <tr>
          <th scope="col">Month</th>
          <th scope="col">P5, USD</th>
          <th scope="col">P50, USD</th>
          <th scope="col">P95, USD</th>
        </tr>
      </thead>
      <tbody>
        {byMonth.map(({ month, totalCashUsd: { p5, p50, p95 } }) => (
          <tr key={month}>
            <th scope="row">{month}</th>
            <td>{usdText(p5)}</td>
            <td>{usdText(p50)}</td>
            <td>{usdText(p95)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
