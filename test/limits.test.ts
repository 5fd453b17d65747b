/** The page of limits says what the code says: each number of a row stands in the files that the row names. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

Error.stackTraceLimit = 0

const root = join(import.meta.dirname, '..')
const page = readFileSync(join(root, 'docs/operating/limits.md'), 'utf8')

/** How a number of the page may stand in the code, by its unit. */
const factors: Readonly<Record<string, readonly (readonly [times: number, text: string])[]>> = {
  s: [
    [1_000, '$'],
    [1, '$ * SECOND_MS'],
    [1, '$ * 1_000'],
    [1, '$'],
  ],
  min: [
    [60_000, '$'],
    [1, '$ * MINUTE_MS'],
    [1, '$ * 60_000'],
  ],
  h: [
    [3_600_000, '$'],
    [1, '$ * HOUR_MS'],
    [1, '$ * 3_600_000'],
  ],
  d: [
    [1, '$ * DAY_MS'],
    [1, '$ * 24 * 3_600_000'],
    [1, '$ * 24'],
    [24, '$ * 3_600_000'],
  ],
  KiB: [[1, '$ * 1024']],
  MiB: [
    [1, '$ * 1024 * 1024'],
    [1024, '$ * 1024'],
  ],
  '%': [[100, '$']],
  $: [[1e9, '$n']],
}

test('each limit of the page stands in the code that it names', () => {
  const complaints = rows(page).flatMap(([what = '', value = '', where = '']) => {
    const files = [...where.matchAll(/`(src\/[^`]+)`/g)].map((match) => match[1] ?? '')
    const missing = files.filter((file) => !existsSync(join(root, file)))
    if (files.length === 0 || missing.length > 0) return [`${what}: ${where} is no file`]
    const code = files.map((file) => readFileSync(join(root, file), 'utf8')).join('\n')
    return numbersOf(value)
      .filter(({ texts }) => !texts.some((text) => stands(text, code)))
      .map(({ said }) => `${what}: ${said} stands in none of ${files.join(', ')}`)
  })
  if (complaints.length > 0) throw new Error(`\n${complaints.join('\n')}\n`)
})

/** The cells of all tables of the page, but for their heads. */
const rows = (text: string): string[][] =>
  [...text.matchAll(/^\| (.*) \|$/gm)]
    .map((match) => (match[1] ?? '').split(' | '))
    .filter((cells) => cells.length === 3 && cells[0] !== 'what')

/** Each number of a value, with the forms that it may have in the code. What stands in backticks is a flag. */
function numbersOf(value: string): { said: string; texts: string[] }[] {
  const unitsAhead = /(\$?)(\d[\d,.]*\d|\d)(?:\s*(ms|s|min|h|days|d|KiB|MiB|%|°))?(?![\w])/g
  return [...value.replaceAll(/`[^`]*`/g, '').matchAll(unitsAhead)].map(
    ([said, dollar, digits = '', unit = '']) => {
      const number = Number(digits.replaceAll(',', ''))
      const kind = dollar ? '$' : unit === 'days' ? 'd' : unit
      const forms = factors[kind] ?? [[1, '$'] as const]
      return {
        said,
        texts: forms.map(([times, text]) => text.replace('$', grouped(Math.round(number * times)))),
      }
    },
  )
}

/** As Biome and we write it: 10_000, and 1024 or 1_024. */
const grouped = (number: number): string => String(number).replaceAll(/\B(?=(\d{3})+$)/g, '_')

const stands = (text: string, code: string): boolean =>
  [text, text.replaceAll('_', '')].some((form) => {
    const pattern = form.replaceAll(/[$*.+]/g, String.raw`\$&`)
    return new RegExp(`(?<![\\d_.])${pattern}(?![\\d_.])`).test(code)
  })
