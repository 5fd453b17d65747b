import { useState } from 'react'
import { Segments } from './segments.tsx'
import { savedTheme, saveTheme, type Theme, themes } from './theme.ts'

export function ThemeChoice() {
  const [theme, setTheme] = useState(savedTheme)
  const choose = (value: Theme) => {
    saveTheme(value)
    setTheme(value)
  }
  return (
    <Segments
      name={{ 'aria-label': 'Colours' }}
      isSmall
      value={theme}
      choices={themes.map((one) => [one, one])}
      onChoose={choose}
    />
  )
}
