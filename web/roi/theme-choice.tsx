import { RadioGroup } from 'radix-ui'
import { useState } from 'react'
import { savedTheme, saveTheme, type Theme, themes } from './theme.ts'

export function ThemeChoice() {
  const [theme, setTheme] = useState(savedTheme)
  const choose = (value: string) => {
    saveTheme(value as Theme)
    setTheme(value as Theme)
  }
  return (
    <RadioGroup.Root className="segments small" aria-label="Colours" value={theme} onValueChange={choose}>
      {themes.map((one) => (
        <RadioGroup.Item key={one} value={one} className="segment">
          {one}
        </RadioGroup.Item>
      ))}
    </RadioGroup.Root>
  )
}
