import { useId, useRef, useState } from 'react'

export interface Option {
  readonly value: string
  readonly label: string
  readonly detail: string
  /** All that a search may find it by, in lower case. */
  readonly text: string
}

export interface ComboboxProps {
  readonly label: string
  readonly placeholder: string
  /** What was said, as it was said; empty for nothing. */
  readonly value: string
  readonly options: readonly Option[]
  readonly hint?: string | undefined
  readonly problem?: string | undefined
  /** Told what was chosen, or typed and not found in the list: what that means is for others to say. */
  onSay(value: string): void
}

const search = (options: readonly Option[], typed: string): readonly Option[] => {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean)
  return options.filter(({ text }) => words.every((word) => text.includes(word)))
}

/** A text field with a list below it: typing searches, arrows walk, Enter takes, Escape gives up. */
export function Combobox({ label, placeholder, value, options, hint, problem, onSay }: ComboboxProps) {
  const id = useId()
  const list = useRef<HTMLDivElement>(null)
  /** `null`: nothing is being typed. */
  const [typed, setTyped] = useState<string | null>(null)
  const [active, setActive] = useState(-1)
  const [isOpen, setOpen] = useState(false)
  const found = isOpen ? search(options, typed ?? '') : []
  const close = () => {
    setOpen(false)
    setTyped(null)
    setActive(-1)
  }
  const say = (text: string) => {
    close()
    if (text !== value) onSay(text)
  }
  const walk = (to: number) => {
    setOpen(true)
    setActive(Math.max(0, Math.min(to, (isOpen ? found : options).length - 1)))
    list.current?.children[to]?.scrollIntoView({ block: 'nearest' })
  }
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.key === 'ArrowDown') walk(active + 1)
    else if (event.key === 'ArrowUp') walk(active - 1)
    else if (event.key === 'Escape') close()
    else if (event.key === 'Enter') {
      const only = typed !== null && found.length === 1 ? found[0] : undefined
      say((found[active] ?? only)?.value ?? typed?.trim() ?? value)
    } else return
    event.preventDefault()
  }
  const describedBy = [hint && `${id}-hint`, problem && `${id}-problem`].filter(Boolean).join(' ')
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <div className="combobox">
        <input
          id={id}
          type="text"
          role="combobox"
          autoComplete="off"
          spellCheck={false}
          placeholder={placeholder}
          value={typed ?? value}
          aria-expanded={isOpen}
          aria-controls={`${id}-list`}
          aria-autocomplete="list"
          aria-invalid={problem !== undefined}
          {...(describedBy !== '' && { 'aria-describedby': describedBy })}
          {...(found[active] && { 'aria-activedescendant': `${id}-${active}` })}
          onChange={(event) => {
            setTyped(event.target.value)
            setActive(-1)
            setOpen(true)
          }}
          onClick={() => setOpen(true)}
          onFocus={(event) => event.target.select()}
          onBlur={() => say(typed?.trim() ?? value)}
          onKeyDown={onKeyDown}
        />
        <div
          id={`${id}-list`}
          ref={list}
          role="listbox"
          aria-label={label}
          hidden={!isOpen || found.length === 0}
        >
          {found.map((option, index) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the keys of the list are those of its text field
            <div
              key={option.value}
              id={`${id}-${index}`}
              role="option"
              tabIndex={-1}
              aria-selected={index === active}
              // Before the field loses its focus, which would take what was typed.
              onPointerDown={(event) => event.preventDefault()}
              onClick={() => say(option.value)}
            >
              <span>{option.label}</span> <small>{option.detail}</small>
            </div>
          ))}
        </div>
      </div>
      {hint && (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {problem && (
        <p className="problem" id={`${id}-problem`}>
          {problem}
        </p>
      )}
    </div>
  )
}
