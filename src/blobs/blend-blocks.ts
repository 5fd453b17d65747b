/**
 * The blocks of an uncompressed .blend file: a head with the address that the data had in Blender's memory, then the
 * data. Blocks of a data-block such as an object or a mesh come one after the other, the data-block itself first.
 */

export interface BlendLayout {
  /** Where the first block begins. */
  readonly headerBytes: number
  readonly headBytes: number
  /** Of the name of a data-block. */
  readonly nameBytes: number
  /** In a block's head. */
  readonly addressAt: number
  readonly lengthAt: number
}

export interface BlendBlock {
  readonly code: string
  /** In Blender's memory; 0 where it does not matter. */
  readonly address: number
  readonly dataAt: number
  readonly end: number
}

/** With 8-byte pointers, little end first: what Blender writes on every machine that it runs on. */
const CLASSIC = /^BLENDER-v\d{3}/
const LARGE = /^BLENDER17-01v\d{4}/
export const BLEND_HEADER_BYTES = 17
export const isBlend = (first: Uint8Array): boolean => text(first).startsWith('BLENDER')

/** `null` for what is no scene, or one of a form that is not known. */
export function blendLayout(first: Uint8Array): BlendLayout | null {
  if (CLASSIC.test(text(first)))
    return { headerBytes: 12, headBytes: 24, nameBytes: 66, addressAt: 8, lengthAt: 4 }
  return LARGE.test(text(first))
    ? { headerBytes: 17, headBytes: 32, nameBytes: 258, addressAt: 8, lengthAt: 16 }
    : null
}

/** The block whose head is at `at`; `head` has at least its bytes. */
export function readBlock(layout: BlendLayout, at: number, head: Uint8Array): BlendBlock {
  const view = new DataView(head.buffer, head.byteOffset, head.length)
  const isLarge = layout.headBytes === 32
  const low = view.getUint32(layout.lengthAt, true)
  const length = isLarge ? low + view.getUint32(layout.lengthAt + 4, true) * 2 ** 32 : low
  const high = view.getUint32(layout.addressAt + 4, true)
  const dataAt = at + layout.headBytes
  return {
    code: text(head.subarray(0, 4)).replace(/\0+$/, ''),
    // Addresses of programs have 48 bits.
    address: high < 1 << 16 ? view.getUint32(layout.addressAt, true) + high * 2 ** 32 : 0,
    dataAt,
    end: dataAt + length,
  }
}

/** How much of a block's data has its name. */
export const NAME_BYTES = 40 + 258
/** Where a data-block has its name: behind the pointers that it begins with, fewer in old files. */
const NAMES_AT = [40, 32]
/** From the end of the name to what counts for one run of Blender alone, and how much that is. */
const RUN_GAP_BYTES = 2
export const RUN_BYTES = 28

export interface BlendOwner {
  /** A data-block by its name, anything else by its code; `null` for more of the one before. */
  readonly owner: string | null
  /** Where in its data it has what each run of Blender sets anew; `null` where it has nothing such. */
  readonly runAt: number | null
}

/** Data-blocks that are kept inside others: node trees and the collections of scenes. */
const EMBEDDED = ['NT', 'GR']

/** Whose block this is, and those that follow. */
export function ownerOf(
  { nameBytes }: BlendLayout,
  { code, dataAt, end }: BlendBlock,
  data: Uint8Array,
): BlendOwner {
  const isMore = code === 'DATA'
  for (const at of NAMES_AT) {
    const name = text(data.subarray(at, at + nameBytes)).split('\0', 1)[0] ?? ''
    const isName = isMore ? EMBEDDED.includes(name.slice(0, 2)) : code.length === 2 && name.startsWith(code)
    if (!isName) continue
    const runAt = at + nameBytes + RUN_GAP_BYTES
    const hasRun = dataAt + runAt + RUN_BYTES <= end && runAt % 4 === 0
    return { owner: isMore ? null : name, runAt: hasRun ? runAt : null }
  }
  return { owner: isMore ? null : code, runAt: null }
}

const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes)
