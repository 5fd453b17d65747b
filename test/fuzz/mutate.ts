/** Harms done to good inputs, drawn from a seeded source: bytes as a broken wire makes them, JSON as a broken or hostile client does. */
import type { Random } from '#kernel/random.ts'

export const pick = <T>(random: Random, choices: readonly T[]): T => {
  const choice = choices[random.int(choices.length)]
  if (choice === undefined && choices.length === 0) throw new Error('nothing to pick from')
  return choice as T
}

const LATIN = 'latin1'

/** One to three harms to `bytes`, which stay as they are. */
export function mutateBytes(random: Random, bytes: Uint8Array): Buffer {
  let text = Buffer.from(bytes).toString(LATIN)
  for (let rounds = 1 + random.int(3); rounds > 0; rounds--) text = harmText(random, text)
  return Buffer.from(text, LATIN)
}

const RUNS = ['\0', '\xff', '\r\n', '{', '[', '"', '\\', '%', '../', 'A']

function harmText(random: Random, text: string): string {
  const at = random.int(text.length + 1)
  const end = Math.min(text.length, at + 1 + random.int(16))
  switch (random.int(7)) {
    case 0: {
      const flipped = String.fromCharCode((text.charCodeAt(at) || 0) ^ (1 << random.int(8)))
      return text.slice(0, at) + flipped + text.slice(at + 1)
    }
    case 1:
      return text.slice(0, at)
    case 2:
      return text.slice(0, at) + text.slice(end)
    case 3:
      return text.slice(0, end) + text.slice(at)
    case 4:
      return text.slice(0, at) + pick(random, RUNS).repeat(1 + random.int(64)) + text.slice(at)
    case 5:
      return text.slice(0, at) + randomBytes(random, 1 + random.int(16)).toString(LATIN) + text.slice(end)
    default:
      return text.slice(at) + text.slice(0, at)
  }
}

export const randomBytes = (random: Random, length: number): Buffer =>
  Buffer.from(Array.from({ length }, () => random.int(256)))

const deep = (levels: number, open: string, close: string): string =>
  open.repeat(levels) + close.repeat(levels)

/** Texts that stand where a JSON value belongs; not all of them are JSON. */
const strangeValues: readonly string[] = [
  ...['null', 'true', '-1', '0', '1.5', '1e400', '-1e400', '1e-400', '9007199254740993', '-0'],
  ...['9'.repeat(400), '0x10', '01', 'NaN', 'Infinity', 'undefined', '""', '[]', '{}', '[null]', '{"":""}'],
  ...['"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\\x41"', '"\xff\xfe"', '"\xc0\xaf"', '"\xed\xa0\x80"'],
  ...['"NaN"', '"1e99"', '"-1"', '"../../etc/passwd"', '"{{7*7}}"', '"\' OR 1=1--"', '"__proto__"'],
  ...['{"__proto__":{"isAdmin":true}}', '{"constructor":{"prototype":{}}}', '"\\u202e"', '[[[[[[[[]]]]]]]]'],
  ...[
    `"${'x'.repeat(5_000)}"`,
    deep(500, '[', ']'),
    deep(6_000, '{"a":', '}'),
    deep(6_000, '[', ''),
    `[${'0,'.repeat(3_000)}0]`,
  ],
  ...['', ',', '"', '{', '}', '/*', '//', '1 2'],
]

/** `value` as JSON with one part of it made strange, and now and then bytes of it harmed too. */
export function mutateJson(random: Random, value: unknown): Buffer {
  const places = placesOf(value)
  const [from, to] = pick(random, places)
  const text = JSON.stringify(value)
  const strange = pick(random, strangeValues)
  let harmed = text.slice(0, from) + strange + text.slice(to)
  if (random.chance(1, 8)) harmed = doubled(text, [from, to], strange)
  const bytes = Buffer.from(harmed, LATIN)
  return random.chance(1, 4) ? mutateBytes(random, bytes) : bytes
}

/** Where in the text of `value` each of its parts stands, itself first. */
function placesOf(value: unknown): [from: number, to: number][] {
  const places: [number, number][] = []
  const walk = (part: unknown, from: number): number => {
    const own: [number, number] = [from, 0]
    places.push(own)
    let at = from
    if (Array.isArray(part)) {
      at++
      for (const [index, item] of part.entries()) at = walk(item, at + (index > 0 ? 1 : 0))
      at++
    } else if (typeof part === 'object' && part !== null) {
      at++
      for (const [index, [name, member]] of Object.entries(part).entries()) {
        at = walk(member, at + (index > 0 ? 1 : 0) + JSON.stringify(name).length + 1)
      }
      at++
    } else at += JSON.stringify(part).length
    own[1] = at
    return at
  }
  walk(value, 0)
  return places
}

/** The member at the place a second time, with another value; nothing is known of what stands before it. */
function doubled(text: string, [from, to]: readonly [number, number], strange: string): string {
  const name = /"[^"]*":$/.exec(text.slice(0, from))?.[0]
  return name ? `${text.slice(0, to)},${name}${strange}${text.slice(to)}` : `${strange}${text}`
}
