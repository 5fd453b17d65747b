/**
 * Which files a pattern means: `*` is any run of characters but `/`, `?` is one, `**` is any number of folders. Patterns and
 * names are strangers': each character of a name is looked at once for each place of the pattern where it may be, never again.
 */

/** Some seconds: a dozen patterns like `**` with `/*.png` for 100,000 names. */
const STEPS_MAX = 200_000_000

/** Those of `paths` (relative, with `/`) that one of `patterns` means; `null` where finding that out would take too long. */
export function pathsLike(
  patterns: readonly string[],
  paths: readonly string[],
  stepsMax = STEPS_MAX,
): readonly string[] | null {
  const globs = patterns.map((pattern) => new Glob(pattern))
  const found: string[] = []
  let steps = 0
  for (const path of paths) {
    const isMeant = globs.some((glob) => {
      const isMatch = glob.matches(path)
      steps += glob.steps
      return isMatch
    })
    if (steps > stepsMax) return null
    if (isMeant) found.push(path)
  }
  return found
}

/** Codes below those of characters. `FOLDERS` is `**` with its `/`, `FOLDER` the inside of one of them; `END` is behind all. */
const [ANY, RUN, ONE, FOLDERS, FOLDER, END] = [-1, -2, -3, -4, -5, -6]
const SLASH = 47

const wildcards: ReadonlyMap<string, readonly number[]> = new Map([
  ['**/', [FOLDERS, FOLDER]],
  ['**', [ANY]],
  ['*', [RUN]],
  ['?', [ONE]],
])

/** A pattern as the places where a name may be in it, all of which are followed at once. */
class Glob {
  readonly #parts: readonly number[]
  /** In which round a place was taken last. */
  readonly #taken: Float64Array
  #round = 0
  /** What the newest match took. */
  steps = 0

  constructor(pattern: string) {
    const parts = pattern
      .split(/(\*\*\/|\*\*|\*|\?)/)
      .flatMap((text) => wildcards.get(text) ?? text.split('').map((character) => character.charCodeAt(0)))
    this.#parts = [...parts, END]
    this.#taken = new Float64Array(this.#parts.length)
  }

  matches(path: string): boolean {
    this.steps = 1
    let [places, next]: [number[], number[]] = [[], []]
    this.#round += 1
    this.#take(0, places)
    for (let at = 0; at < path.length && places.length > 0; at += 1) {
      this.#round += 1
      this.steps += places.length
      next.length = 0
      const code = path.charCodeAt(at)
      for (const place of places) this.#follow(place, code, next)
      const done = places
      places = next
      next = done
    }
    return places.includes(this.#parts.length - 1)
  }

  #follow(place: number, code: number, next: number[]): void {
    const part = this.#parts[place]
    if (part === code) this.#take(place + 1, next)
    else if (part === ANY) this.#take(place, next)
    else if (part === FOLDER) this.#take(code === SLASH ? place - 1 : place, next)
    else if (code === SLASH) return
    else if (part === RUN) this.#take(place, next)
    else if (part === ONE || part === FOLDERS) this.#take(place + 1, next)
  }

  /** With the places behind it, where what stands there may be nothing. */
  #take(first: number, places: number[]): void {
    for (let place = first; this.#taken[place] !== this.#round; ) {
      this.#taken[place] = this.#round
      places.push(place)
      const part = this.#parts[place]
      if (part === FOLDERS) place += 2
      else if (part === ANY || part === RUN) place += 1
    }
  }
}
