/** Just enough of TypeScript's grammar to tell code from comments and strings. Positions and line ends are kept. */

type Kind = 'code' | 'comment' | 'string'

/** `text` with its comments blanked. */
export const withoutComments = (text: string): string => blank(text, ['comment'])

/** `text` with its comments and the insides of its strings and regular expressions blanked: what the program does, not what it says. */
export const codeOf = (text: string): string => blank(text, ['comment', 'string'])

export const commentsOf = (text: string): string => blank(text, ['code', 'string'])

export interface Import {
  readonly specifier: string
  readonly isType: boolean
  readonly line: number
}

/** Static imports, re-exports and dynamic imports of a literal. */
export function importsOf(text: string): Import[] {
  // Found where strings are blank, so that a string that looks like an import is none; read where they are not.
  const matches = codeOf(text).matchAll(
    /(?:^|[;\n])\s*(?:import|export)\s+(type\s)?[^;'"]*?from\s*'(?= *')|(?:^|[;\n])\s*import\s+'(?= *')|\bimport\(\s*'(?= *')/g,
  )
  return [...matches].map((match) => {
    const from = match.index + match[0].length
    const specifier = text.slice(from, text.indexOf("'", from))
    return { specifier, isType: match[1] !== undefined, line: lineAt(text, from) }
  })
}

export const lineAt = (text: string, index: number): number => text.slice(0, index).split('\n').length

function blank(text: string, kinds: readonly Kind[]): string {
  let result = ''
  for (const [kind, from, to] of partsOf(text)) {
    const part = text.slice(from, to)
    result += kinds.includes(kind) ? part.replaceAll(/[^\n]/g, ' ') : part
  }
  return result
}

/** The whole text in parts. Quotes, and `${` and `}` of templates, count as code. */
function partsOf(text: string): [Kind, number, number][] {
  const parts: [Kind, number, number][] = []
  /** Open braces inside each `${` that is open. */
  const templates: number[] = []
  let codeFrom = 0
  let at = 0
  const take = (kind: Kind, from: number, to: number): void => {
    parts.push(['code', codeFrom, from], [kind, from, to])
    codeFrom = to
    at = to
  }
  const takeTemplate = (from: number): void => {
    const to = endOf(text, from, /`|\$\{/y)
    take('string', from, to)
    if (text[to] === '$') templates.push(0)
    at = to + (text[to] === '$' ? 2 : 1)
  }
  while (at < text.length) {
    const char = text[at] ?? ''
    if (text.startsWith('//', at)) take('comment', at, endOf(text, at, /\n/y))
    else if (text.startsWith('/*', at)) take('comment', at, endOf(text, at + 2, /\*\//y) + 2)
    else if (char === "'" || char === '"') {
      const to = endOf(text, at + 1, char === "'" ? /'|\n/y : /"|\n/y)
      take('string', at + 1, to)
      at = to + 1
    } else if (char === '`') takeTemplate(at + 1)
    else if (char === '/' && isRegexAt(text, at)) {
      const to = endOfRegex(text, at) - 1
      take('string', at + 1, to)
      at = to + 1
    } else if (char === '}' && templates.at(-1) === 0) {
      templates.pop()
      takeTemplate(at + 1)
    } else {
      const open = templates.length - 1
      if (open >= 0 && char === '{') templates[open] = (templates[open] ?? 0) + 1
      if (open >= 0 && char === '}') templates[open] = (templates[open] ?? 0) - 1
      at += 1
    }
  }
  parts.push(['code', codeFrom, text.length])
  return parts
}

/** Where `end` first matches from `from` on, escapes skipped; the end of the text when nowhere. */
function endOf(text: string, from: number, end: RegExp): number {
  for (let at = from; at < text.length; at += text[at] === '\\' ? 2 : 1) {
    end.lastIndex = at
    if (end.test(text)) return at
  }
  return text.length
}

/** A slash begins a regular expression where a value may begin. */
const isRegexAt = (text: string, at: number): boolean =>
  /(?:^|[(,=:[!&|?{};+\-*%~^<>\n]|\breturn|\btypeof|\bcase|\bin|\bof)\s*$/.test(
    text.slice(Math.max(0, at - 40), at),
  )

function endOfRegex(text: string, from: number): number {
  let isClass = false
  for (let at = from + 1; at < text.length; at += 1) {
    const char = text[at]
    if (char === '\\') at += 1
    else if (char === '[') isClass = true
    else if (char === ']') isClass = false
    else if (char === '\n') return at
    else if (char === '/' && !isClass) return at + 1
  }
  return text.length
}
