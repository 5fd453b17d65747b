/** What a file looks like. */
import { codeOf, commentsOf, lineAt } from './source-text.ts'

export const LINES_MAX = 400

const shapes: readonly (readonly [of: (text: string) => string, pattern: RegExp, complaint: string])[] = [
  [codeOf, /\bexport\s+default\b/, 'a default export: give it a name'],
  [
    codeOf,
    /(?:[:<|&]\s*|\bas\s+|\bextends\s+|<[^<>()\n]*,\s*)any\b(?!\s*[(.:=])/,
    '`any`: use `unknown` and look',
  ],
  [codeOf, /[^\s!=(,&|?:[{<>+\-*/]!(?:[.;,)\]}\n[]|\s*$)/m, 'a non-null `!`: prove it or handle it'],
  [
    commentsOf,
    new RegExp(`\\b${'TO'}${'DO'}\\b|\\b${'FIX'}${'ME'}\\b|\\bX${'XX'}\\b`),
    'a note of work left over: do it, or write an issue',
  ],
]

/** A test may expect an error of the type checker: that is a check too. */
const HIDDEN_ERROR = /@ts-(?:ignore|nocheck|expect-error)/

export function checkShape(file: string, text: string): string[] {
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
  const tooLong =
    lines > LINES_MAX ? [`${file}: ${lines} lines, at most ${LINES_MAX}: split it by what it is about`] : []
  const others = shapes.flatMap(([of, pattern, complaint]) => {
    const part = of(text)
    const match = pattern.exec(part)
    return match ? [`${file}:${lineAt(part, match.index)}: ${complaint}`] : []
  })
  const isHiding = !file.endsWith('.test.ts') && HIDDEN_ERROR.test(commentsOf(text))
  return [
    ...tooLong,
    ...others,
    ...(isHiding ? [`${file}: hides an error from the type checker: mend it`] : []),
  ]
}
