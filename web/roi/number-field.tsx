import { Slider } from 'radix-ui'
import { useId, useState } from 'react'
import type { InputLine } from '../../src/economics/input-lines.ts'
import { plainNumber, withUnit } from './format.ts'

export interface Range {
  readonly min: number
  readonly max: number
  readonly step: number
}

export interface NumberFieldProps {
  readonly label: string
  readonly unit: string
  /** As it stands in the address; `undefined` where nobody said it. */
  readonly raw: string | undefined
  /** The number that is counted with, and where it is from. */
  readonly line: InputLine | undefined
  /** Of the slider; without one there is only the text field. */
  readonly range?: Range | undefined
  readonly problem?: string | undefined
  /** What is said where there is no number. */
  readonly missing: string
  /** Besides the source: what the number means. */
  readonly note?: string | undefined
  /** `null` takes back what was said. */
  onSay(raw: string | null): void
}

const isShare = (unit: string): boolean => unit.startsWith('share')
const numberOf = (raw: string | undefined): number | null => {
  const [, digits, percent] = /^(-?\d+(?:\.\d+)?)\s*(%?)$/.exec(raw?.trim() ?? '') ?? []
  return digits === undefined ? null : Number(digits) / (percent ? 100 : 1)
}

/** A share is typed and shown in percent, and stands in the address as a share. */
const shownText = (raw: string | undefined, line: InputLine | undefined, unit: string): string => {
  const value = raw === undefined ? line?.value : isShare(unit) ? numberOf(raw) : null
  if (value === undefined) return ''
  if (value === null) return raw ?? ''
  return plainNumber(isShare(unit) ? value * 100 : value)
}
const saidText = (typed: string, unit: string): string => {
  const bare = typed.trim()
  return isShare(unit) && /^-?\d+(\.\d+)?$/.test(bare) ? plainNumber(Number(bare) / 100) : bare
}

/** A number with its unit and its source: to be typed, or moved by a slider, or given back to the default. */
export function NumberField(props: NumberFieldProps) {
  const { label, unit, raw, line, range, problem, missing, note, onSay } = props
  const id = useId()
  const [typed, setTyped] = useState<string | null>(null)
  const commit = () => {
    if (typed === null) return
    setTyped(null)
    const said = saidText(typed, unit)
    if (said === '') onSay(null)
    else if (typed !== shownText(raw, line, unit)) onSay(said)
  }
  const unitText = isShare(unit) ? `%${unit.slice('share'.length)}` : unit === 'ratio' ? '×' : unit
  return (
    <div className="field number">
      <div className="row">
        <label htmlFor={id}>{label}</label>
        <span className="amount">
          <input
            id={id}
            type="text"
            inputMode="decimal"
            autoComplete="off"
            size={7}
            value={typed ?? shownText(raw, line, unit)}
            placeholder="?"
            aria-invalid={problem !== undefined}
            aria-describedby={`${id}-unit ${id}-source`}
            onChange={(event) => setTyped(event.target.value)}
            onFocus={(event) => event.target.select()}
            onBlur={commit}
            onKeyDown={(event) => event.key === 'Enter' && commit()}
          />
          <span className="unit" id={`${id}-unit`}>
            {unitText}
          </span>
        </span>
      </div>
      {range && <FieldSlider {...props} range={range} />}
      <p className={problem ? 'problem' : 'hint'} id={`${id}-source`}>
        {problem ?? <Source line={line} note={note} missing={missing} isSaid={raw !== undefined} />}
        {raw !== undefined && (
          <button type="button" className="plain" onClick={() => onSay(null)}>
            take back<span className="sr-only">: {label}</span>
          </button>
        )}
      </p>
    </div>
  )
}

function FieldSlider({ label, unit, raw, line, range, onSay }: NumberFieldProps & { range: Range }) {
  const value = numberOf(raw) ?? line?.value ?? null
  const max = Math.max(range.max, value ?? 0)
  const known = value !== null
  return (
    <Slider.Root
      className={known ? 'slider' : 'slider unset'}
      min={Math.min(range.min, value ?? range.min)}
      max={max}
      step={range.step}
      value={[value ?? range.min]}
      onValueChange={([next]) => next !== undefined && onSay(plainNumber(next))}
    >
      <Slider.Track className="track">
        <Slider.Range className="filled" />
      </Slider.Track>
      <Slider.Thumb
        className="thumb"
        aria-label={label}
        aria-valuetext={known ? withUnit(value, unit) : 'not said'}
      />
    </Slider.Root>
  )
}

function Source({
  line,
  note,
  missing,
  isSaid,
}: Pick<NumberFieldProps, 'line' | 'note' | 'missing'> & { isSaid: boolean }) {
  const before = note ? `${note} ` : ''
  if (isSaid) return <>{before}Said by you. </>
  if (!line)
    return (
      <>
        {before}
        {missing}
      </>
    )
  const { origin, source, asOf } = line
  const date = asOf === null ? '' : ` (${asOf})`
  // What the mark before it says already.
  const text = source.replace(/^assumption(: |$)/, '')
  return (
    <span className="source" title={`${text}${date}`}>
      {before}
      <span className={`origin ${origin}`}>{originNames[origin]}</span> {text}
      {date}{' '}
    </span>
  )
}

export const originNames: Readonly<Record<InputLine['origin'], string>> = {
  given: 'you',
  measured: 'measured',
  catalogue: 'catalogue',
  assumption: 'assumed',
  derived: 'worked out',
}
