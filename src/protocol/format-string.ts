/**
 * Text with places to fill in, as Open Job Description writes them: `render --frame {{Task.Param.Frame}}`. There is no
 * way to write two opening braces themselves.
 */

export type FormatPart =
  | { readonly text: string }
  /** A name with dots: `Param.Frames`. */
  | { readonly name: string }

const NAME = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/

/** The parts of `text`, or what is wrong with it, as a sentence without its subject. */
export function parseFormat(text: string): readonly FormatPart[] | string {
  const parts: FormatPart[] = []
  let at = 0
  for (;;) {
    const open = text.indexOf('{{', at)
    if (open === -1) break
    const close = text.indexOf('}}', open + 2)
    if (close === -1) return "has '{{' without '}}' behind it"
    const name = text.slice(open + 2, close).trim()
    if (!NAME.test(name)) return `has '{{${text.slice(open + 2, close)}}}', which is no name with dots`
    if (open > at) parts.push({ text: text.slice(at, open) })
    parts.push({ name })
    at = close + 2
  }
  if (at < text.length) parts.push({ text: text.slice(at) })
  return parts
}

/** `text` with all places filled in, or what is wrong with it. `meaningOf` answers `null` for a name that means nothing. */
export function fillFormat(
  text: string,
  meaningOf: (name: string) => string | null,
): { readonly text: string } | { readonly wrong: string } {
  const parts = parseFormat(text)
  if (typeof parts === 'string') return { wrong: parts }
  let filled = ''
  for (const part of parts) {
    const piece = 'text' in part ? part.text : meaningOf(part.name)
    if (piece === null)
      return { wrong: `names {{${'name' in part ? part.name : ''}}}, which means nothing there` }
    filled += piece
  }
  return { text: filled }
}
