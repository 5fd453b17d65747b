import type { CSSProperties } from 'react'
import type { RoiReport } from '../../src/economics/economics.ts'
import type { Tornado } from '../../src/economics/sensitivity.ts'
import { usdText } from '../../src/economics/usd-text.ts'
import { quantityText, shareText } from './format.ts'
import { positionIn } from './scale.ts'

/** How much the result of a day hangs on each input, one moved at a time; the widest first. */
export function TornadoChart({ report: { tornado, account } }: { report: RoiReport }) {
  if (!account || tornado.length === 0) return null
  const base = account.netUsdPerDay ?? account.cashUsdPerDay
  const ends = [
    base,
    ...tornado.flatMap(({ atLowUsdPerDay, atHighUsdPerDay }) => [atLowUsdPerDay, atHighUsdPerDay]),
  ]
  const at = positionIn({ low: Math.min(...ends), high: Math.max(...ends) }, 100)
  return (
    <section className="panel" aria-labelledby="levers">
      <h2 id="levers">What it hangs on</h2>
      <p className="hint">
        {account.netUsdPerDay === null ? 'Cash' : 'Net'} of a day when one input is moved over its range and
        the others stay. The line is your input, {usdText(base)} a day.
      </p>
      <ol className="tornado">
        {tornado.map((bar) => (
          <li key={bar.lever}>
            <p>
              <strong>{bar.label}</strong>{' '}
              <span className="hint">
                {endText(bar.low, bar.unit)} to {endText(bar.high, bar.unit)} {bar.unit}, {bar.basis}
              </span>
            </p>
            <Bar bar={bar} base={base} at={at} />
          </li>
        ))}
      </ol>
    </section>
  )
}

function Bar({ bar, base, at }: { bar: Tornado; base: number; at: (usd: number) => number }) {
  const { atLowUsdPerDay: first, atHighUsdPerDay: last } = bar
  const [worse, better] = [Math.min(first, last), Math.max(first, last)]
  const piece = (from: number, to: number): CSSProperties => ({
    left: `${at(from)}%`,
    width: `${at(to) - at(from)}%`,
  })
  return (
    <div className="lever">
      <span className={worse >= 0 ? 'good' : 'bad'}>{usdText(worse)}</span>
      <span className="rail" aria-hidden="true">
        {worse < base && <i className="down" style={piece(worse, Math.min(base, better))} />}
        {better > base && <i className="up" style={piece(Math.max(base, worse), better)} />}
        <i className="base" style={{ left: `${at(base)}%` }} />
      </span>
      <span className={better >= 0 ? 'good' : 'bad'}>
        <span className="sr-only">to </span>
        {usdText(better)}
        <span className="sr-only"> a day</span>
      </span>
    </div>
  )
}

const endText = (value: number, unit: string): string =>
  unit.startsWith('share') ? shareText(value) : quantityText(value)
