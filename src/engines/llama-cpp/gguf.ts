/**
 * Reads the directory of a GGUF file (metadata and tensor table) and proves the file whole: every tensor lies inside it.
 * A cut download or a web page saved under the model's name is told apart here, in words, before native code sees it.
 */
import { Problem } from '#protocol/problem.ts'
import { type ByteSource, GgufCursor, valueTypes } from './gguf-cursor.ts'

export type GgufValue = string | number | boolean | readonly GgufValue[]

export interface Gguf {
  /** Numbers beyond 2^53 lose precision; nothing that this program reads comes near. */
  readonly metadata: ReadonlyMap<string, GgufValue>
  readonly tensorCount: number
  /** Where the directory ends and the padded tensor data begins. */
  readonly dataOffset: number
}

const MAGIC = 'GGUF'
const KEY_BYTES_MAX = 65_535
/** Chat templates, the longest texts, have less than 100 KB. */
const TEXT_BYTES_MAX = 16 * 1024 * 1024

/** Values per block and bytes per block of each tensor type, by its number in the format. Types not listed are not measured. */
const blocks: Readonly<Record<number, readonly [values: number, bytes: number]>> = {
  0: [1, 4], // F32
  1: [1, 2], // F16
  2: [32, 18], // Q4_0
  3: [32, 20], // Q4_1
  6: [32, 22], // Q5_0
  7: [32, 24], // Q5_1
  8: [32, 34], // Q8_0
  9: [32, 36], // Q8_1
  10: [256, 84], // Q2_K
  11: [256, 110], // Q3_K
  12: [256, 144], // Q4_K
  13: [256, 176], // Q5_K
  14: [256, 210], // Q6_K
  15: [256, 292], // Q8_K
  16: [256, 66], // IQ2_XXS
  17: [256, 74], // IQ2_XS
  18: [256, 98], // IQ3_XXS
  19: [256, 50], // IQ1_S
  20: [32, 18], // IQ4_NL
  21: [256, 110], // IQ3_S
  22: [256, 82], // IQ2_S
  23: [256, 136], // IQ4_XS
  24: [1, 1], // I8
  25: [1, 2], // I16
  26: [1, 4], // I32
  27: [1, 8], // I64
  28: [1, 8], // F64
  29: [256, 56], // IQ1_M
  30: [1, 2], // BF16
  34: [256, 54], // TQ1_0
  35: [256, 66], // TQ2_0
  39: [32, 17], // MXFP4
}

/** Throws `Problem('model_corrupt')` that names `label`, what was found in it and what to do. */
export function readGguf(source: ByteSource, label: string): Gguf {
  const corrupt = (found: string) =>
    new Problem('model_corrupt', `${label} is not a usable model: ${found}. Delete it and download it again.`)
  if (source.sizeBytes === 0) throw corrupt('the file is empty')
  checkMagic(source, corrupt)
  const cursor = new GgufCursor(source, corrupt)
  cursor.skip(MAGIC.length)
  const version = cursor.u32()
  if (version < 2 || version > 3) throw corrupt(`its GGUF version is ${version}, expected 2 or 3`)
  const tensorCount = cursor.count('tensors')
  const entryCount = cursor.count('metadata entries')
  const metadata = new Map<string, GgufValue>()
  for (let entry = 0; entry < entryCount; entry++) {
    const key = cursor.string(KEY_BYTES_MAX)
    metadata.set(key, readValue(cursor, cursor.u32(), 0))
  }
  const endBytes = readTensorTable(cursor, tensorCount)
  const alignment = numberOf(metadata, 'general.alignment') ?? 32
  if (alignment < 1 || alignment > 1 << 20) throw corrupt(`its alignment is ${alignment} bytes`)
  const dataOffset = Math.ceil(cursor.offset / alignment) * alignment
  const missingBytes = dataOffset + endBytes - source.sizeBytes
  if (missingBytes > 0) {
    throw corrupt(
      `it is ${source.sizeBytes} bytes long and its table of tensors needs ${missingBytes} more, so it was cut short`,
    )
  }
  return { metadata, tensorCount, dataOffset }
}

export const stringOf = (metadata: Gguf['metadata'], key: string): string | undefined => {
  const value = metadata.get(key)
  return typeof value === 'string' ? value : undefined
}
export const numberOf = (metadata: Gguf['metadata'], key: string): number | undefined => {
  const value = metadata.get(key)
  return typeof value === 'number' ? value : undefined
}

function checkMagic(source: ByteSource, corrupt: (found: string) => Problem): void {
  const start = new TextDecoder('latin1').decode(source.read(0, 64))
  if (start.startsWith(MAGIC)) return
  if (/^\s*(<!doctype|<html)/i.test(start)) throw corrupt('it holds a web page, not a GGUF file')
  if (start.startsWith('version https://git-lfs'))
    throw corrupt('it holds a Git LFS pointer, not the GGUF file itself')
  if (start.startsWith('FUGG')) throw corrupt('it is a big-endian GGUF file, which this machine cannot run')
  throw corrupt(`it begins with ${JSON.stringify(start.slice(0, 4))}, expected "${MAGIC}"`)
}

function readValue(cursor: GgufCursor, typeNumber: number, depth: number): GgufValue {
  const type = valueTypes[typeNumber]
  switch (type) {
    case undefined:
      throw cursor.corrupt(`its metadata has a value of unknown type ${typeNumber}`)
    case 'string':
      return cursor.string(TEXT_BYTES_MAX)
    case 'array': {
      if (depth > 4) throw cursor.corrupt('its metadata is nested too deeply')
      const itemType = cursor.u32()
      const length = cursor.arrayLength()
      const items: GgufValue[] = []
      for (let index = 0; index < length; index++) items.push(readValue(cursor, itemType, depth + 1))
      return items
    }
    default:
      return cursor.scalar(type)
  }
}

/** The bytes of tensor data that the table promises, counted from the start of the data. */
function readTensorTable(cursor: GgufCursor, tensorCount: number): number {
  let endBytes = 0
  for (let tensor = 0; tensor < tensorCount; tensor++) {
    const name = cursor.string(KEY_BYTES_MAX)
    const dimensionCount = cursor.u32()
    if (dimensionCount > 8)
      throw cursor.corrupt(`its tensor ${JSON.stringify(name)} has ${dimensionCount} dimensions`)
    let valueCount = 1
    for (let dimension = 0; dimension < dimensionCount; dimension++) valueCount *= cursor.u64()
    const block = blocks[cursor.u32()]
    const offset = cursor.u64()
    const sizeBytes = block === undefined ? 0 : (valueCount / block[0]) * block[1]
    endBytes = Math.max(endBytes, offset + sizeBytes)
  }
  return endBytes
}
