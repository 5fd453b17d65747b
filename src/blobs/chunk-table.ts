/** Where each chunk is: a hash table in flat memory, some 90 bytes a chunk, for there are millions. */
import { assert } from '#kernel/assert.ts'
import { HASH_BYTES } from './chunk-list.ts'

export interface ChunkPlace {
  readonly packNumber: number
  /** From the beginning of the stored pack. */
  readonly offset: number
  readonly length: number
}

const SLOTS_MIN = 1 << 10
/** A slot's pack number is one more than the pack's, so that zero is free. */
const FREE = 0
/** Removed: it was taken, and what lies behind it may have been put past it. */
const GONE = 0xffffffff

export class ChunkTable {
  #hashes = new Uint8Array(SLOTS_MIN * HASH_BYTES)
  #packs = new Uint32Array(SLOTS_MIN)
  #offsets = new Uint32Array(SLOTS_MIN)
  #lengths = new Uint32Array(SLOTS_MIN)
  #slots = SLOTS_MIN
  /** Slots that are not free. */
  #taken = 0
  #count = 0

  get count(): number {
    return this.#count
  }

  get(hash: Uint8Array): ChunkPlace | null {
    const slot = this.#find(hash)
    const pack = this.#packs[slot] as number
    if (pack === FREE) return null
    return {
      packNumber: pack - 1,
      offset: this.#offsets[slot] as number,
      length: this.#lengths[slot] as number,
    }
  }

  /** Says where the chunk is from now on. */
  set(hash: Uint8Array, { packNumber, offset, length }: ChunkPlace): void {
    assert(hash.length === HASH_BYTES && packNumber >= 0 && packNumber < GONE - 1, 'a chunk has a place')
    if (this.#taken * 2 >= this.#slots) this.#grow()
    const slot = this.#find(hash)
    if (this.#packs[slot] === FREE) {
      this.#taken++
      this.#count++
      this.#hashes.set(hash, slot * HASH_BYTES)
    }
    this.#packs[slot] = packNumber + 1
    this.#offsets[slot] = offset
    this.#lengths[slot] = length
  }

  delete(hash: Uint8Array): void {
    const slot = this.#find(hash)
    if (this.#packs[slot] === FREE) return
    this.#packs[slot] = GONE
    this.#count--
  }

  /** Of all chunks in such packs. */
  deleteWhere(isGone: (packNumber: number) => boolean): void {
    for (const [slot, pack] of this.#packs.entries()) {
      if (pack === FREE || pack === GONE || !isGone(pack - 1)) continue
      this.#packs[slot] = GONE
      this.#count--
    }
  }

  /** The slot that has `hash`, or the free one where the search for it ends. */
  #find(hash: Uint8Array): number {
    const mask = this.#slots - 1
    // Hashes are random already; whoever chooses theirs slows down their own organisation alone.
    let slot = (word(hash, 0) ^ word(hash, 8)) & mask
    for (;;) {
      const pack = this.#packs[slot]
      if (pack === FREE) return slot
      if (pack !== GONE && this.#isAt(slot, hash)) return slot
      slot = (slot + 1) & mask
    }
  }

  #isAt(slot: number, hash: Uint8Array): boolean {
    const at = slot * HASH_BYTES
    for (let index = 0; index < HASH_BYTES; index++) {
      if (this.#hashes[at + index] !== hash[index]) return false
    }
    return true
  }

  #grow(): void {
    const [hashes, packs, offsets, lengths] = [this.#hashes, this.#packs, this.#offsets, this.#lengths]
    // Where most of what is taken is gone, the same size is enough.
    this.#slots *= this.#count * 4 >= this.#slots ? 2 : 1
    this.#hashes = new Uint8Array(this.#slots * HASH_BYTES)
    this.#packs = new Uint32Array(this.#slots)
    this.#offsets = new Uint32Array(this.#slots)
    this.#lengths = new Uint32Array(this.#slots)
    this.#taken = 0
    this.#count = 0
    for (const [slot, pack] of packs.entries()) {
      if (pack === FREE || pack === GONE) continue
      const place = { packNumber: pack - 1, offset: offsets[slot] as number, length: lengths[slot] as number }
      this.set(hashes.subarray(slot * HASH_BYTES, (slot + 1) * HASH_BYTES), place)
    }
  }
}

const word = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)) >>>
  0
