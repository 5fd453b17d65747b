/** Light or dark: the reader's system decides, unless they say so here. */
export type Theme = 'system' | 'light' | 'dark'
export const themes: readonly Theme[] = ['system', 'light', 'dark']

const KEY = 'shoal-theme'

export function savedTheme(): Theme {
  try {
    const saved = localStorage.getItem(KEY)
    return themes.find((theme) => theme === saved) ?? 'system'
  } catch {
    return 'system' // A browser that keeps nothing for this page.
  }
}

export function applyTheme(theme: Theme): void {
  document.documentElement.dataset['theme'] = theme
}

export function saveTheme(theme: Theme): void {
  applyTheme(theme)
  try {
    localStorage.setItem(KEY, theme)
  } catch {
    // It holds until the page is left.
  }
}
