import { type InputName, inputInfo } from '../../src/economics/input-lines.ts'
import { withoutFlags } from './format.ts'
import type { NumberFieldProps } from './number-field.tsx'
import { parameterOf, type RoiState, type RoiStore } from './roi-store.ts'

/** What a field needs to know of the page: what was said of its input, what is counted with, what is wrong with it. */
export function fieldsOf({ params, shown, last }: RoiState, change: RoiStore['change']) {
  const problemOf = (parameter: string): string | undefined => {
    const found = shown.kind === 'refused' ? shown.problems.find(({ name }) => name === parameter) : undefined
    // The verdict says all of it; a field has room for what is wrong.
    return found && /^.*?\.(?=\s[A-Z]|$)/.exec(withoutFlags(found.message))?.[0]
  }
  const numberField = (name: InputName): Omit<NumberFieldProps, 'label' | 'unit' | 'range'> => {
    const parameter = parameterOf(name)
    const line = last?.inputs.find((one) => one.name === name)
    return {
      raw: params[parameter],
      // A line that was said belongs to what is said now, or to nothing.
      line: line?.origin === 'given' && params[parameter] === undefined ? undefined : line,
      problem: problemOf(parameter),
      missing: missingOf(name, last !== null),
      onSay: (raw) => change({ [parameter]: raw }),
    }
  }
  /** With the label and the unit that it has everywhere. */
  const plainField = (name: InputName): NumberFieldProps => ({
    ...numberField(name),
    label: capital(inputInfo[name].label),
    unit: inputInfo[name].unit,
  })
  return { problemOf, numberField, plainField }
}

const missingOf = (name: InputName, isKnownElsewhere: boolean): string => {
  if (name === 'electricity') return 'Not known: say it, or where it stands.'
  return isKnownElsewhere ? 'Not known: say it.' : 'Looked up or assumed, unless you say it.'
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
