import type { RoiReport } from '../../src/economics/economics.ts'
import { usdText } from '../../src/economics/usd-text.ts'
import { accountRows } from './account-rows.ts'

const DAYS_PER_MONTH = 365 / 12

export function AccountTable({ report }: { report: RoiReport }) {
  const rows = accountRows(report)
  if (rows.length === 0) return null
  return (
    <section className="panel" aria-labelledby="day">
      <h2 id="day">One mean day</h2>
      <p className="hint">
        Cash decides whether to run a card that is there; net, less what it loses in value, whether to buy
        one.
      </p>
      <table className="account">
        <thead>
          <tr>
            <th scope="col">Line</th>
            <th scope="col">USD/day</th>
            <th scope="col">USD/month</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ what, usdPerDay, kind }) => (
            <tr key={what} className={kind}>
              <th scope="row">{what}</th>
              {[usdPerDay, usdPerDay * DAYS_PER_MONTH].map((usd, index) => (
                <td
                  key={index === 0 ? 'day' : 'month'}
                  className={kind === 'line' ? '' : usd >= 0 ? 'good' : 'bad'}
                >
                  {usdText(usd)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}
