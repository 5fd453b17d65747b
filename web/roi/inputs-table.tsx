import type { InputLine } from '../../src/economics/input-lines.ts'
import { Fold } from './fold.tsx'
import { withUnit } from './format.ts'
import { originNames } from './number-field.tsx'

const order: readonly InputLine['origin'][] = ['given', 'measured', 'assumption', 'catalogue', 'derived']

/** Long on a phone: there it opens when it is wanted. */
const isWide = matchMedia('(width >= 40rem)').matches

/** Every number that went in, what was said and what was assumed first: that is what to look at. */
export function InputsTable({ inputs }: { inputs: readonly InputLine[] }) {
  const lines = [...inputs].sort((a, b) => order.indexOf(a.origin) - order.indexOf(b.origin))
  return (
    <section className="panel" aria-labelledby="inputs">
      <h2 id="inputs">What went in</h2>
      <Fold isOpenAtFirst={isWide} title={<>{lines.length} numbers, each with its source and date</>}>
        <table className="inputs">
          <thead>
            <tr>
              <th scope="col">Input</th>
              <th scope="col">Value</th>
              <th scope="col">From</th>
              <th scope="col">As of</th>
              <th scope="col">Source</th>
            </tr>
          </thead>
          <tbody>
            {lines.map(({ name, label, value, unit, origin, asOf, source }) => (
              <tr key={name}>
                <th scope="row">{label}</th>
                <td className="value">{withUnit(value, unit)}</td>
                <td>
                  <span className={`origin ${origin}`}>{originNames[origin]}</span>
                </td>
                <td className="date">{asOf ?? '–'}</td>
                <td className="source">{source}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Fold>
    </section>
  )
}
