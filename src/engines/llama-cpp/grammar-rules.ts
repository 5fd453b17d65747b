/** A grammar of llama.cpp (GBNF) in the making. */
import { Problem } from '#protocol/problem.ts'

/** A larger grammar would hold up everybody else's tokens: these take llama.cpp about a tenth of a second to read. */
const RULES_MAX = 20_000
const REPETITIONS_MAX = 50_000
/** Some tenth of a second, in which nobody else gets a token. A schema of 5,000 properties, the most, takes a quarter. */
const STEPS_MAX = 200_000
/** So many characters are as much work as a step. */
const STEP_CHARACTERS = 16
/** References within references included: each level, as each character of a name that others may not have, is on the stack. */
const LEVELS_MAX = 500
const NAME_CHARACTERS_MAX = 1_000

export class GrammarRules {
  readonly #rules = new Map<string, string>()
  readonly #shared = new Map<string, string>()
  #count = 0
  #repetitions = 0
  #steps = 0
  #levels = 0

  /** Accounts for work: references that refer to references have a few lines ask for any amount of it. */
  takes({ steps = 0, characters = 0 }: { readonly steps?: number; readonly characters?: number }): void {
    this.#steps += steps + characters / STEP_CHARACTERS
    if (this.#steps > STEPS_MAX) throw tooLarge(`more than ${STEPS_MAX} steps to be written out`)
  }

  /** Accounts for a repetition, which llama.cpp writes out. */
  repeats(times: number): void {
    this.#repetitions += times
    if (this.#repetitions > REPETITIONS_MAX)
      throw tooLarge(`more than ${REPETITIONS_MAX} repetitions of lengths and counts`)
  }

  /** Accounts for a level of values within values, and with -1 for its end. */
  nests(by: 1 | -1): void {
    this.#levels += by
    if (this.#levels > LEVELS_MAX && by > 0)
      throw tooLarge(`more than ${LEVELS_MAX} levels of values within values`)
  }

  /** Adds a rule under a name of its own, which it returns. */
  add(hint: string, body: string): string {
    const name = `${hint}-${this.#count++}`
    if (this.#rules.size >= RULES_MAX) throw tooLarge(`more than ${RULES_MAX} rules`)
    this.#rules.set(name, body)
    return name
  }

  /** The one rule of that key, written when it is first needed; it may mention itself. */
  shared(key: string, write: () => string): string {
    const known = this.#shared.get(key)
    if (known !== undefined) return known
    const name = `shared-${this.#count++}`
    this.#shared.set(key, name)
    this.#rules.set(name, '')
    this.#rules.set(name, write())
    return name
  }

  /** Any JSON string. */
  text(): string {
    return this.shared('string', () => `"\\"" ${this.character()}* "\\""`)
  }

  /** One character of a JSON string, however it is written. */
  character(): string {
    return this.shared(
      'character',
      () => `[^"\\\\\\x7F\\x00-\\x1F] | "\\\\" (["\\\\/bfnrt] | "u" [0-9a-fA-F]{4})`,
    )
  }

  /** Any JSON value. */
  value(): string {
    return this.shared('value', () => {
      const { object, array } = { object: this.object(), array: this.shared('array', () => this.#array()) }
      return `${object} | ${array} | ${this.text()} | ${this.number()} | "true" | "false" | "null"`
    })
  }

  /** Any JSON object. */
  object(): string {
    return this.shared('object', () => {
      const member = `${this.text()} ws ":" ws ${this.value()}`
      return `"{" ws (${member} (ws "," ws ${member})* ws)? "}"`
    })
  }

  #array(): string {
    const value = this.value()
    return `"[" ws (${value} (ws "," ws ${value})* ws)? "]"`
  }

  /** Any JSON number, of no more digits than numbers keep. */
  number(): string {
    return this.shared(
      'number',
      () => `"-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]{1,16})? ([eE] [+-]? [0-9]{1,2})?`,
    )
  }

  /** Any JSON string but these, written without escapes as far as they go. */
  stringExcept(names: readonly string[]): string {
    if (names.some((name) => name.length > NAME_CHARACTERS_MAX))
      throw tooLarge(`a name of more than ${NAME_CHARACTERS_MAX} characters beside names that are open`)
    return names.length === 0 ? this.text() : `"\\"" ${this.#except([...new Set(names)], true)}`
  }

  /** What may follow where `rests` may not: the rest of the string with its quote. */
  #except(rests: readonly string[], isStart: boolean): string {
    const byFirst = new Map<string, string[]>()
    for (const rest of rests) {
      const [first = ''] = rest
      byFirst.set(first, [...(byFirst.get(first) ?? []), rest.slice(first.length)])
    }
    const isTaken = byFirst.delete('')
    const firsts = [...byFirst.keys()]
    const branches = firsts.map(
      (first) => `${literal(first)} ${this.#except(byFirst.get(first) ?? [], false)}`,
    )
    const others = `[^"\\\\\\x7F\\x00-\\x1F${firsts.map(inClass).join('')}] ${this.character()}* "\\""`
    const end = isTaken && !isStart ? [] : ['"\\""']
    return this.add('except', [...branches, others, ...end].join(' | '))
  }

  /** The grammar whose answers are `root`. */
  write(root: string): string {
    const lines = [...this.#rules].map(([name, body]) => `${name} ::= ${body}`)
    return [`root ::= ${root}`, ...lines, 'ws ::= ("\\n" [ ]{0,20} | " ")?', ''].join('\n')
  }
}

const tooLarge = (what: string): Problem =>
  new Problem('invalid_request', `The schema needs ${what}. Make it smaller.`, {
    details: { code: 'invalid_json_schema' },
  })

/** `text` as a literal of the grammar. */
export const literal = (text: string): string =>
  `"${text.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t')}"`

const inClass = (character: string): string => character.replace(/[\\\]^-]/, '\\$&')
