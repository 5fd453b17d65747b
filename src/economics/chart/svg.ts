/**
 * Charts as SVG text, for a page that runs no script. Pure: the same numbers give the same text. Colours are classes
 * (`chart-style.ts`), so that a chart follows the light or dark of the page around it.
 */

export type Attributes = Readonly<Record<string, string | number>>

/** One element; children are elements or escaped text. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escapeText(textOf(value))}"`)
  const head = `<${name}${written.join('')}`
  return children.length === 0 ? `${head}/>` : `${head}>${children.join('')}</${name}>`
}

export const text = (content: string, attributes: Attributes): string =>
  element('text', attributes, escapeText(content))

export const escapeText = (content: string): string =>
  content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

/** A tenth of a unit is finer than any screen. */
const textOf = (value: string | number): string =>
  typeof value === 'number' ? String(Math.round(value * 10) / 10) : value

export interface Size {
  readonly width: number
  readonly height: number
}

/** The whole chart. `label` says what it shows, for who cannot see it. */
export const chart = ({ width, height }: Size, label: string, ...children: readonly string[]): string =>
  element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${width} ${height}`,
      role: 'img',
      class: 'chart',
      'aria-label': label,
    },
    element('title', {}, escapeText(label)),
    ...children,
  )

export const path = (points: readonly (readonly [x: number, y: number])[]): string =>
  points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${textOf(x)} ${textOf(y)}`).join('')
