import type { CSSProperties } from 'react'
import type { RoiReport } from '../../src/economics/economics.ts'
import { quantityText, shareText } from './format.ts'
import { heatMapOf } from './heat-axes.ts'
import type { View } from './link.ts'

/** Green where it pays and rust where it loses, the stronger the more; each cell says its number. */
export function HeatTable({ report, view }: { report: RoiReport; view: View }) {
  const map = heatMapOf(report, view)
  if (!map) return null
  const most = Math.max(...map.netUsdPerDay.flat().map(Math.abs), 0.01)
  const rows = map.utilisation
    .map((share, row) => ({ share, row, cells: map.netUsdPerDay[row] ?? [] }))
    .toReversed()
  return (
    <section className="panel" aria-labelledby="map">
      <h2 id="map">Where it is worth running</h2>
      <p className="hint">
        {map.isNet ? 'Net' : 'Cash'} in USD/day, by price of electricity and share of hours rented. The
        outlined cell is your input.
      </p>
      <table className="heat">
        <thead>
          <tr>
            <th scope="col" className="corner">
              <span aria-hidden="true">$/kWh</span>
              <span className="sr-only">Share of hours rented, by USD/kWh</span>
            </th>
            {map.usdPerKwh.map((usd, column) => (
              <th key={usd} scope="col" className={column === map.column ? 'here' : ''}>
                {quantityText(usd)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ share, row, cells }) => (
            <tr key={share}>
              <th scope="row" className={row === map.row ? 'here' : ''}>
                {shareText(share)}
              </th>
              {cells.map((usd, column) => (
                <td
                  key={map.usdPerKwh[column]}
                  className={`${usd >= 0 ? 'gain' : 'loss'}${row === map.row && column === map.column ? ' here' : ''}`}
                  style={{ '--strength': `${strength(usd / most)}%` } as CSSProperties}
                  {...(row === map.row && column === map.column && { 'aria-current': 'true' as const })}
                >
                  {cellText(usd)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
        <caption>USD/kWh across, share of hours rented down</caption>
      </table>
    </section>
  )
}

/** Part of the colour in the ground, in percent: little enough that the number on it stays legible. */
const strength = (share: number): number => Math.round(6 + 34 * Math.sqrt(Math.abs(share)))

const cellText = (usd: number): string =>
  Math.abs(usd) >= 100 ? String(Math.round(usd)) : Math.abs(usd) >= 10 ? usd.toFixed(1) : usd.toFixed(2)
