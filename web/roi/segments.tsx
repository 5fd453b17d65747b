import { RadioGroup } from 'radix-ui'

export interface SegmentsProps<Value extends string> {
  /** Its name, or the id of the element that holds its name. */
  readonly name: { readonly 'aria-label': string } | { readonly 'aria-labelledby': string }
  readonly isSmall?: boolean
  readonly value: Value
  readonly choices: readonly (readonly [value: Value, label: string])[]
  onChoose(value: Value): void
}

/** A few choices of which one holds, side by side: arrows walk, and what is walked to is chosen. */
export function Segments<Value extends string>({
  name,
  isSmall,
  value,
  choices,
  onChoose,
}: SegmentsProps<Value>) {
  return (
    <RadioGroup.Root
      {...name}
      className={isSmall ? 'segments small' : 'segments'}
      value={value}
      onValueChange={(chosen) => onChoose(chosen as Value)}
    >
      {choices.map(([one, label]) => (
        <RadioGroup.Item
          key={one}
          value={one}
          className="segment"
          // The group chooses what an arrow reaches only while the key is still down: a busy page comes too late for that.
          onFocus={() => one !== value && onChoose(one)}
        >
          {label}
        </RadioGroup.Item>
      ))}
    </RadioGroup.Root>
  )
}
