/**
 * A scene without what each save changes by itself. A .blend file holds the addresses that its data had in memory, and
 * each run of Blender has others: in a scene of many objects no 8 KiB are the same twice. In this form each address is a
 * *token* made of whose it is ("the 3rd block of mesh Cube"), the same after every save. What looks like an address and
 * is no block's, of memory that was not saved, is taken out, and so is what Blender notes in its data-blocks for one run.
 * All that was taken is in tables at the end. Nothing is lost: they give back the very file.
 *
 * A token is 8 bytes: 6 of its own and 2 that say that it is one. The table has the addresses of tokens in the order in
 * which these come first, each as its difference to the one before.
 */
import { assert } from '#kernel/assert.ts'
import { type BlendBlock, type BlendOwner, RUN_BYTES } from './blend-blocks.ts'

/** The upper 2 of 8 bytes. No address and hardly anything else has them; a file that does is kept as it is. */
const TOKEN_MARK = 0x5b1e
const HIGH = 2 ** 32
const TOKEN_MAX = 2 ** 48
const RUN_WORDS = RUN_BYTES / 4

/** One of these for so many words at most: what only looks like addresses is left alone in a file full of it. */
const WORDS_PER_LOOSE_MIN = 128

/** In the order in which they are stored. */
export interface SceneTables {
  /** Of tokens. */
  readonly addresses: Uint8Array
  /** Of what was taken out: where, in words behind the header, and the addresses. */
  readonly loosePlaces: Uint8Array
  readonly loose: Uint8Array
  readonly runs: Uint8Array
}

/** Where a file has what counts for one run: offsets in the file, ascending. */
export class RunPlaces {
  readonly #places: number[] = []
  #next = 0

  note({ dataAt }: BlendBlock, { runAt }: BlendOwner): void {
    if (runAt !== null) this.#places.push(dataAt + runAt)
  }

  get count(): number {
    return this.#places.length
  }

  /** Calls `onWords` for what lies between the places and `onRun` for each, in order; answers how many words are done. */
  over(
    words: Uint32Array,
    fileAt: number,
    {
      onWords,
      onRun,
    }: { onWords(from: number, to: number, isCut: boolean): number; onRun(run: Uint32Array): void },
  ): number {
    let done = 0
    for (;;) {
      const place = this.#places[this.#next]
      const at = place === undefined ? words.length : (place - fileAt) / 4
      assert(at >= done, 'places are passed in order')
      if (at + RUN_WORDS > words.length)
        return onWords(done, Math.min(at, words.length), at <= words.length && place !== undefined)
      onWords(done, at, true)
      onRun(words.subarray(at, at + RUN_WORDS))
      done = at + RUN_WORDS
      this.#next++
    }
  }
}

/** Turns a file into this form: `note` all blocks, then `replace` all that is behind the header, in order. */
export class AddressRemover {
  readonly #tokens = new Map<number, number>()
  readonly #taken = new Set<number>()
  readonly #counts = new Map<number, number>()
  readonly #listed = new Set<number>()
  readonly #table = new NumberTable()
  readonly #loosePlaces = new NumberTable()
  readonly #loose = new NumberTable()
  readonly #places = new RunPlaces()
  readonly #runs: number[] = []
  /** Upper halves of addresses. */
  readonly #highs = new Set<number>()
  #highMin = HIGH
  #highMax = 0
  #owner = hashOf('')
  #looseLeft = 0
  #isSpoilt = false

  note(block: BlendBlock, owned: BlendOwner): void {
    const { address, end } = block
    this.#places.note(block, owned)
    if (owned.owner !== null) this.#owner = hashOf(owned.owner)
    this.#looseLeft = Math.floor(end / 4 / WORDS_PER_LOOSE_MIN)
    if (address === 0) return
    const high = Math.floor(address / HIGH)
    if (high > 0) {
      this.#highs.add(high)
      this.#highMin = Math.min(this.#highMin, high)
      this.#highMax = Math.max(this.#highMax, high)
    }
    if (this.#tokens.has(address)) return
    const count = (this.#counts.get(this.#owner) ?? 0) + 1
    this.#counts.set(this.#owner, count)
    this.#tokens.set(address, this.#newToken(this.#owner, count))
  }

  /** False once it turned out that the file cannot be given this form. */
  get isGood(): boolean {
    return !this.#isSpoilt
  }

  tables(): SceneTables {
    const runs = new Uint8Array(this.#runs.length * 4)
    const view = new DataView(runs.buffer)
    for (const [index, word] of this.#runs.entries()) view.setUint32(index * 4, word, true)
    return {
      addresses: this.#table.bytes(),
      loosePlaces: this.#loosePlaces.bytes(),
      loose: this.#loose.bytes(),
      runs,
    }
  }

  /** Replaces in place; `fileAt` is where `words` begin. Answers how many are done: the last may belong to what follows. */
  replace(words: Uint32Array, fileAt: number, isLast: boolean): number {
    const done = this.#places.over(words, fileAt, {
      onWords: (from, to, isCut) =>
        this.#replaceIn(words.subarray(0, to), from, { fileAt, isWhole: isCut || isLast }),
      onRun: (run) => {
        this.#runs.push(...run)
        run.fill(0)
      },
    })
    return isLast ? words.length : done
  }

  #replaceIn(
    words: Uint32Array,
    from: number,
    { fileAt, isWhole }: { fileAt: number; isWhole: boolean },
  ): number {
    const end = words.length - 1
    let index = from
    while (index < end) {
      const high = words[index + 1] as number
      if (high >>> 16 === TOKEN_MARK) this.#isSpoilt = true
      const address = high * HIGH + (words[index] as number)
      const token = high < this.#highMin || high > this.#highMax ? undefined : this.#tokens.get(address)
      if (token === undefined) {
        index += this.#isLoose(address, high) ? this.#takeOut(words, index, { fileAt, address }) : 1
        continue
      }
      if (!this.#listed.has(token)) {
        this.#listed.add(token)
        this.#table.add(address)
      }
      words[index] = token % HIGH
      words[index + 1] = ((TOKEN_MARK << 16) | Math.floor(token / HIGH)) >>> 0
      index += 2
    }
    return isWhole ? words.length : index
  }

  #isLoose(address: number, high: number): boolean {
    return this.#highs.has(high) && address % 8 === 0 && this.#looseLeft > 0
  }

  #takeOut(
    words: Uint32Array,
    index: number,
    { fileAt, address }: { fileAt: number; address: number },
  ): number {
    this.#looseLeft--
    this.#loosePlaces.add(Math.floor(fileAt / 4) + index)
    this.#loose.add(address)
    words.fill(0, index, index + 2)
    return 2
  }

  #newToken(owner: number, place: number): number {
    let token = mix(owner, place) + (mix(owner ^ 0x2545f491, place) & 0xffff) * HIGH
    // Its lower half behind another word must not look like the upper half of a token.
    while (this.#taken.has(token) || (token % HIGH) >>> 16 === TOKEN_MARK)
      token = (token + (1 << 16) + 1) % TOKEN_MAX
    this.#taken.add(token)
    return token
  }
}

/** Gives back what was removed: `replace` all that is behind the header, in order. */
export class AddressRestorer {
  readonly #addresses = new Map<number, number>()
  readonly #table: NumberReader
  readonly #loosePlaces: NumberReader
  readonly #loose: NumberReader
  readonly #runs: Uint8Array
  readonly #places: RunPlaces
  #runAt = 0

  #nextLoose: number

  /** `places` are those of the object, which are where the file has them. */
  constructor({ addresses, loosePlaces, loose, runs }: SceneTables, places: RunPlaces) {
    this.#table = new NumberReader(addresses)
    this.#loosePlaces = new NumberReader(loosePlaces)
    this.#loose = new NumberReader(loose)
    this.#runs = runs
    this.#places = places
    this.#nextLoose = this.#loosePlaces.next()
  }

  /** As `AddressRemover.replace`. What is damaged becomes something else: the caller checks the hash of the whole. */
  replace(words: Uint32Array, fileAt: number, isLast: boolean): number {
    const done = this.#places.over(words, fileAt, {
      onWords: (from, to, isCut) =>
        this.#replaceIn(words.subarray(0, to), from, { fileAt, isWhole: isCut || isLast }),
      onRun: (run) => {
        for (let index = 0; index < run.length; index++) run[index] = this.#nextRunWord()
      },
    })
    return isLast ? words.length : done
  }

  #nextRunWord(): number {
    const at = this.#runAt
    this.#runAt += 4
    const byte = (offset: number): number => this.#runs[at + offset] ?? 0
    return (byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24)) >>> 0
  }

  #replaceIn(
    words: Uint32Array,
    from: number,
    { fileAt, isWhole }: { fileAt: number; isWhole: boolean },
  ): number {
    const end = words.length - 1
    const firstWord = Math.floor(fileAt / 4)
    let index = from
    while (index < end) {
      if (firstWord + index === this.#nextLoose) {
        const loose = this.#loose.next()
        this.#nextLoose = this.#loosePlaces.next()
        words[index] = loose % HIGH
        words[index + 1] = Math.floor(loose / HIGH)
        index += 2
        continue
      }
      const high = words[index + 1] as number
      if (high >>> 16 !== TOKEN_MARK) {
        index++
        continue
      }
      const token = (high & 0xffff) * HIGH + (words[index] as number)
      let address = this.#addresses.get(token)
      if (address === undefined) {
        address = this.#table.next()
        this.#addresses.set(token, address)
      }
      words[index] = address % HIGH
      words[index + 1] = Math.floor(address / HIGH)
      index += 2
    }
    return isWhole ? words.length : index
  }
}

/** Differences, zigzag, 7 bits a byte. */
class NumberTable {
  #bytes = new Uint8Array(1 << 12)
  #length = 0
  #last = 0

  add(address: number): void {
    const difference = address - this.#last
    this.#last = address
    let rest = difference < 0 ? -difference * 2 - 1 : difference * 2
    if (this.#length + 8 > this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2)
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    while (rest >= 128) {
      this.#bytes[this.#length++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    this.#bytes[this.#length++] = rest
  }

  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }
}

class NumberReader {
  readonly #bytes: Uint8Array
  #at = 0
  #last = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Zeros behind the end of the table. */
  next(): number {
    let rest = 0
    let factor = 1
    for (;;) {
      const byte = this.#bytes[this.#at++] ?? 0
      rest += (byte & 127) * factor
      factor *= 128
      if (byte < 128 || factor > 2 ** 49) break
    }
    const address = this.#last + (rest % 2 === 1 ? -(rest + 1) / 2 : rest / 2)
    // Whatever a damaged table says, it is a number of 48 bits.
    this.#last = Math.min(TOKEN_MAX - 1, Math.max(0, address))
    return this.#last
  }
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash >>> 0
}

function mix(owner: number, count: number): number {
  let mixed = (owner + Math.imul(count, 0x9e3779b9)) | 0
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

/** Behind the file in this form and its tables: how long these are. */
const FOOTER_MARK = 'SHBF1\n'
const TABLES = ['addresses', 'loosePlaces', 'loose', 'runs'] as const satisfies (keyof SceneTables)[]
export const FOOTER_BYTES = TABLES.length * 8 + FOOTER_MARK.length

export const tableList = (tables: SceneTables): Uint8Array[] => TABLES.map((name) => tables[name])

export function writeFooter(tables: SceneTables): Uint8Array {
  const footer = new Uint8Array(FOOTER_BYTES)
  const view = new DataView(footer.buffer)
  for (const [index, name] of TABLES.entries()) view.setFloat64(index * 8, tables[name].length, true)
  footer.set(
    Uint8Array.from(FOOTER_MARK, (letter) => letter.charCodeAt(0)),
    TABLES.length * 8,
  )
  return footer
}

/** Where the tables of an object of `bytes` begin, and how long each is; `null` where this is no footer of one. */
export function readFooter(
  footer: Uint8Array,
  bytes: number,
): { at: number; lengths: readonly number[] } | null {
  if (footer.length !== FOOTER_BYTES) return null
  if (String.fromCharCode(...footer.subarray(TABLES.length * 8)) !== FOOTER_MARK) return null
  const view = new DataView(footer.buffer, footer.byteOffset)
  const lengths = TABLES.map((_, index) => view.getFloat64(index * 8, true))
  const areSizes = lengths.every((size) => Number.isSafeInteger(size) && size >= 0 && size <= bytes)
  const at = bytes - FOOTER_BYTES - lengths.reduce((sum, size) => sum + size, 0)
  return areSizes && at >= 0 ? { at, lengths } : null
}
