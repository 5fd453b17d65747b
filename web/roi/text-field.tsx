import { useId, useState } from 'react'

interface TextFieldProps {
  readonly label: string
  readonly value: string
  readonly hint?: string | undefined
  readonly problem?: string | undefined
  onSay(value: string): void
}

/** A line of text that counts once it is left, or at Enter. */
export function TextField({ label, value, hint, problem, onSay }: TextFieldProps) {
  const id = useId()
  const [typed, setTyped] = useState<string | null>(null)
  const commit = () => {
    setTyped(null)
    if (typed !== null && typed.trim() !== value) onSay(typed.trim())
  }
  const about = problem ?? hint
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        type="text"
        autoComplete="off"
        value={typed ?? value}
        aria-invalid={problem !== undefined}
        {...(about !== undefined && { 'aria-describedby': `${id}-about` })}
        onChange={(event) => setTyped(event.target.value)}
        onBlur={commit}
        onKeyDown={(event) => event.key === 'Enter' && commit()}
      />
      {about !== undefined && (
        <p className={problem ? 'problem' : 'hint'} id={`${id}-about`}>
          {about}
        </p>
      )}
    </div>
  )
}
