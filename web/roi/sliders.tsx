import type { RiskTolerance } from '../../src/economics/advisor.ts'
import type { InputProps } from './essentials.tsx'
import { fieldsOf } from './fields.ts'
import { MoreInputs } from './more-inputs.tsx'
import { NumberField } from './number-field.tsx'
import { Segments } from './segments.tsx'

const tolerances: readonly RiskTolerance[] = ['low', 'medium', 'high']

/** The inputs that most hangs on, to be moved and watched; the rest below, folded. */
export function Sliders({ state, catalogue, change }: InputProps) {
  const { plainField } = fieldsOf(state, change)
  const { params, last } = state
  const numberOf = (name: string) => last?.inputs.find((line) => line.name === name)?.value
  const available = numberOf('availability')
  // Wide enough for the worst and the best that the market has seen, whatever the card.
  const rent = last?.inputs.find((line) => line.name === 'price' && line.origin !== 'given')?.value
  const worth = last?.inputs.find((line) => line.name === 'purchase' && line.origin !== 'given')?.value
  const maxRent = rounded(3 * (rent ?? numberOf('price') ?? 1))
  const maxWorth = rounded(2.5 * (worth ?? numberOf('purchase') ?? 4_000))
  return (
    <section className="sliders panel" aria-labelledby="numbers">
      <h2 id="numbers">Move the numbers</h2>
      <NumberField
        {...plainField('utilisation')}
        label="Rented"
        range={{ min: 0, max: 1, step: 0.01 }}
        note="Of all hours."
      />
      <NumberField
        {...plainField('availability')}
        label="Available"
        range={{ min: 0.01, max: 1, step: 0.01 }}
        note={available === undefined ? undefined : `${Number((24 * available).toFixed(1))} hours a day.`}
      />
      <NumberField
        {...plainField('price')}
        range={{ min: 0.01, max: maxRent, step: maxRent > 10 ? 0.05 : 0.01 }}
      />
      <NumberField
        {...plainField('purchase')}
        label={params['view'] === 'buy' ? 'GPU price' : 'GPU worth today'}
        range={{ min: 10, max: maxWorth, step: 10 }}
        note="For all of them."
      />
      <NumberField {...plainField('lifeYears')} label="Kept for" range={{ min: 0.5, max: 8, step: 0.5 }} />
      <NumberField {...plainField('months')} label="Look ahead" range={{ min: 1, max: 60, step: 1 }} />
      <NumberField
        {...plainField('gpuCount')}
        label="GPUs in the machine"
        range={{ min: 1, max: 16, step: 1 }}
      />
      <div className="field">
        <span className="label" id="risk">
          Tolerance of risk
        </span>
        <Segments
          name={{ 'aria-labelledby': 'risk' }}
          value={tolerances.find((one) => one === params['risk']) ?? 'medium'}
          choices={tolerances.map((one) => [one, one])}
          onChoose={(risk) => change({ risk })}
        />
        <p className="hint">How much a bad case counts when networks are ranked.</p>
      </div>
      <MoreInputs state={state} catalogue={catalogue} change={change} />
    </section>
  )
}

/** Up to two digits that matter, so that a slider ends at a round number. */
const rounded = (value: number): number => Number(value.toPrecision(2))
