/** Gathers the numbers of a forecast: takes each from the best that there is, and notes where it was from. */
import type { TimestampMs } from '#kernel/time.ts'
import { parseAmount } from './amount.ts'
import type { Assumption } from './assumptions.ts'
import {
  type InputLine,
  type InputName,
  type InputProblem,
  inputInfo,
  type Provenance,
  type Unknown,
} from './input-lines.ts'
import type { Measured, MeasuredName } from './roi-input.ts'
import { ageDays, STALE_DAYS } from './source-date.ts'

export interface Candidate extends Provenance {
  readonly value: number
}

/** Where a number may be from, the best first; what is `null` or absent is passed over. */
export interface Candidates {
  readonly given?: number | string | undefined
  /** Out of something that the owner gave. */
  readonly told?: Candidate | null
  readonly measured?: number | undefined
  readonly found?: Candidate | null
  readonly assumed?: Assumption
}

export interface Collector {
  readonly lines: InputLine[]
  readonly unknowns: Unknown[]
  readonly problems: InputProblem[]
  readonly notices: string[]
  /** The value to go on with; `null` when there is none, or none that can be right: the reason is noted. */
  take(name: InputName, candidates: Candidates, ask?: Pick<Unknown, 'blocks' | 'why'>): number | null
  /** Notes a number that was worked out. */
  note(name: InputName, candidate: Candidate): number
}

interface Context {
  readonly usdPer: Readonly<Record<string, number>>
  readonly measured: Measured | null
  /** To tell how old sources are; `null`: their age is not told. */
  readonly nowMs: TimestampMs | null
}

export function createCollector({ usdPer, measured, nowMs }: Context): Collector {
  const lines: InputLine[] = []
  const unknowns: Unknown[] = []
  const problems: InputProblem[] = []
  const notices: string[] = []

  function note(name: InputName, candidate: Candidate): number {
    const { label, unit, flag } = inputInfo[name]
    const age = candidate.asOf === null || nowMs === null ? null : ageDays(candidate.asOf, nowMs)
    const isOld = age !== null && age > STALE_DAYS && candidate.origin === 'catalogue'
    if (isOld) notices.push(`The figure for ${label} is ${age} days old (${candidate.asOf}).`)
    lines.push({ name, label, unit, flag, ageDays: age, ...candidate })
    return candidate.value
  }

  function take(name: InputName, from: Candidates, ask?: Pick<Unknown, 'blocks' | 'why'>): number | null {
    const candidate = candidateOf(name, from)
    if (candidate === 'refused') return null
    if (candidate === null) {
      const { label, unit, flag } = inputInfo[name]
      const { blocks = 'everything', why = 'Nothing is known of it.' } = ask ?? {}
      unknowns.push({ name, label, unit, flag, blocks, why })
      return null
    }
    const problem = problemOf(name, candidate.value)
    if (problem === null) return note(name, candidate)
    problems.push({ name, message: problem })
    return null
  }

  function candidateOf(name: InputName, from: Candidates): Candidate | null | 'refused' {
    if (from.given !== undefined) {
      const value = usdOf(name, from.given)
      return value === null ? 'refused' : { value, origin: 'given', source: 'you', asOf: null }
    }
    if (from.told) return from.told
    if (from.measured !== undefined && measured) {
      const own = measuredNames[name]
      const source = (own && measured.sources?.[own]) ?? measured.source
      return { value: from.measured, origin: 'measured', source, asOf: measured.asOf }
    }
    return from.found ?? (from.assumed ? assumed(from.assumed) : null)
  }

  function usdOf(name: InputName, given: number | string): number | null {
    const parsed = parseAmount(given)
    if (parsed.kind === 'unreadable') {
      const { label, unit } = inputInfo[name]
      problems.push({
        name,
        message: `"${given}" is no ${label}: expected a number in ${unit}, as 0.12 or 0.12 EUR.`,
      })
      return null
    }
    const rate = parsed.currency === 'USD' ? 1 : usdPer[parsed.currency]
    if (rate !== undefined) return parsed.value * rate
    problems.push({
      name: 'currency',
      message: `${inputInfo[name].label} is in ${parsed.currency}, everything else is in USD: say what one ${parsed.currency} is worth, as --usd-per ${parsed.currency}=1.17.`,
    })
    return null
  }

  return { lines, unknowns, problems, notices, take, note }
}

/** The inputs that a node can measure of itself, as they are called there. */
const measuredNames: Readonly<Partial<Record<InputName, MeasuredName>>> = {
  loadWatts: 'loadWatts',
  idleWatts: 'idleWatts',
  utilisation: 'utilisation',
  availability: 'availability',
  price: 'pricePerGpuHour',
  electricity: 'electricityPerKwh',
  takeShare: 'takeShare',
}

export const assumed = ({ value, source, asOf }: Assumption): Candidate => ({
  value,
  source,
  asOf,
  origin: 'assumption',
})

const whole: readonly InputName[] = ['gpuCount', 'months']

/** One sentence on why it cannot be right, with what may have been meant; `null` when it can. */
function problemOf(name: InputName, value: number): string | null {
  const { label, unit, min, max } = inputInfo[name]
  const isWhole = !whole.includes(name) || Number.isInteger(value)
  if (value >= min && value <= max && isWhole) return null
  const said = `${value}${unit === 'share' || unit === 'ratio' ? '' : ` ${unit}`} is no ${label}: expected ${isWhole ? '' : 'a whole number '}from ${min} to ${max}.`
  if (name === 'electricity' && value > max && value <= 100)
    return `${said} Did you mean ${value / 100} (${value} cents)?`
  if (unit === 'share' && value > 1 && value <= 100) return `${said} Did you mean ${value / 100}?`
  if (name === 'price' && value === 0) return `${said} At 0 there is nothing to work out.`
  return said
}
