/** What became of each strategy, as the table of `docs/concepts/verification.md`. */
import type { Figures } from '../scenario.ts'
import { type StrategyName, strategies, strategyNames } from './strategies.ts'

/** As Markdown, of the figures of `share` percent. Amounts are thousandths of a dollar, pay for audits with them, less electricity. */
export function strategyTable(figures: Figures, share: number): string {
  const rows = strategyNames.map((name) => {
    const figure = (what: string): string =>
      String(figures[`at${share}${capital(labelOf(name))}${what}`] ?? '')
    const cells = [
      `**${name}**: ${strategies[name].about}`,
      `${figure('Judged')} of ${figure('Nodes')}`,
      figure('LiesUntilJudgedMax'),
      figure('False'),
      milli(figure('WithAuditsMilliUsd')),
      milli(figure('TwinWithAuditsMilliUsd')),
    ]
    return `| ${cells.join(' | ')} |`
  })
  return [
    '| strategy | judged | lies until then, at most | false answers that callers had | it keeps | its honest twin |',
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n')
}

/** `one-in-20` → `oneIn20`, as figures are named. */
export const labelOf = (name: StrategyName): string =>
  name.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())

const capital = (text: string): string => `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}`
const milli = (text: string): string => Number(text).toFixed(2)
