import { useId } from 'react'
import type { InputName } from '../../src/economics/input-lines.ts'
import type { InputProps } from './essentials.tsx'
import { fieldsOf } from './fields.ts'
import { Fold } from './fold.tsx'
import { NumberField } from './number-field.tsx'
import { TextField } from './text-field.tsx'

const power: readonly InputName[] = ['loadWatts', 'loadWattsMax', 'idleWatts', 'offWatts', 'pue']
const costs: readonly InputName[] = [
  'takeShare',
  'payoutFeeShare',
  'fxHaircutShare',
  'gasPerDay',
  'extraPerGpuDay',
  'fixedPerDay',
  'maintenancePerDay',
]
const capital: readonly InputName[] = ['resale', 'discountPerYear', 'taxShare']

const facts = [
  ['ram', 'Memory, GB'],
  ['storage', 'Free fast storage, GB'],
  ['down', 'Internet towards you, Mbps'],
  ['up', 'Internet from you, Mbps'],
  ['stake', 'Most you would stake, USD'],
] as const

/** Everything else that can be said, with the same names as in the command line. */
export function MoreInputs({ state, catalogue, change }: InputProps) {
  const { plainField, problemOf } = fieldsOf(state, change)
  const { params } = state
  const numbers = (names: readonly InputName[]) =>
    names.map((name) => <NumberField key={name} {...plainField(name)} />)
  const text = (name: string, label: string, hint?: string) => (
    <TextField
      key={name}
      label={label}
      value={params[name] ?? ''}
      hint={hint}
      problem={problemOf(name)}
      onSay={(value) => change({ [name]: value === '' ? null : value })}
    />
  )
  const choice = (name: string, label: string, values: readonly (readonly [string, string])[]) => (
    <Choice
      key={name}
      label={label}
      value={params[name] ?? ''}
      values={values}
      problem={problemOf(name)}
      onSay={(value) => change({ [name]: value === '' ? null : value })}
    />
  )
  return (
    <>
      <Fold title="Network, power and costs">
        {choice('network', 'Network', [
          ['', 'the market at large'],
          ...catalogue.networks.map(({ id, name }) => [id, name] as const),
        ])}
        {choice('site', 'Kind of place', [
          ['', 'not said: a home'],
          ['home', 'a home'],
          ['colocation', 'a data centre'],
        ])}
        {numbers(power)}
        {numbers(costs)}
        {numbers(capital)}
        {text('usd-per', 'Worth of a currency, USD', 'As EUR=1.17, for prices in it.')}
        {text('seed', 'Seed of the chance', 'Another one draws other futures; 1 unless said.')}
      </Fold>
      <Fold title="The machine, for the networks">
        <p className="hint">What is not said excludes no network.</p>
        {choice('os', 'Operating system', [
          ['', 'not said'],
          ['linux', 'Linux'],
          ['windows', 'Windows'],
          ['macos', 'macOS'],
        ])}
        {facts.map(([name, label]) => text(name, label))}
        {choice('dedicated', 'Used for nothing else', yesNo)}
        {choice('power-limited', 'Power-limited or undervolted', yesNo)}
        {text('token-usd', 'Worth of a token, USD', 'As RENDER=3.10.')}
        {text('network-price', 'Rent on a network, USD/GPU-hour', 'As akash=0.30.')}
      </Fold>
    </>
  )
}

const yesNo = [
  ['', 'not said'],
  ['yes', 'yes'],
  ['no', 'no'],
] as const

interface ChoiceProps {
  readonly label: string
  readonly value: string
  readonly values: readonly (readonly [value: string, label: string])[]
  readonly problem: string | undefined
  onSay(value: string): void
}

function Choice({ label, value, values, problem, onSay }: ChoiceProps) {
  const id = useId()
  // What a link said and the list lacks stays visible: it is refused, not replaced.
  const isKnown = values.some(([one]) => one === value)
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        value={value}
        aria-invalid={problem !== undefined}
        onChange={(event) => onSay(event.target.value)}
      >
        {!isKnown && <option value={value}>{value}</option>}
        {values.map(([one, text]) => (
          <option key={one} value={one}>
            {text}
          </option>
        ))}
      </select>
      {problem && <p className="problem">{problem}</p>}
    </div>
  )
}
