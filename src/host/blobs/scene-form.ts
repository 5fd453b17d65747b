/** Scenes on their way: into the form in which a small edit is a small change, and back into the very file. */
import {
  BLEND_HEADER_BYTES,
  type BlendBlock,
  type BlendLayout,
  type BlendOwner,
  blendLayout,
  isBlend,
  NAME_BYTES,
  ownerOf,
  readBlock,
} from '#blobs/blend-blocks.ts'
import {
  AddressRemover,
  AddressRestorer,
  FOOTER_BYTES,
  RunPlaces,
  readFooter,
  tableList,
  writeFooter,
} from '#blobs/blend-form.ts'
import { OBJECT_BYTES_MAX } from '#blobs/chunk-cutter.ts'
import type { FileForm } from '#blobs/tree.ts'
import { Problem } from '#protocol/problem.ts'
import type { BlobReader } from '../blob-store.ts'
import type { Compression, Packing } from '../compression.ts'
import type { FileAccess, PartFile } from '../file-access.ts'
import type { CreateHasher } from '../hasher.ts'

export interface SceneParts {
  readonly files: Pick<FileAccess, 'temporary'>
  readonly compression: Pick<Compression, 'unpack'>
  readonly createHasher: CreateHasher
}

/** A file as it is uploaded. */
export interface PreparedFile {
  readonly form: FileForm
  /** The bytes to be uploaded; closing it removes what was made for it. */
  readonly reader: BlobReader
  /** Of the file that comes out at the other end: a compressed scene comes out uncompressed. */
  readonly bytes: number
  readonly sha256: string | null
}

const WINDOW_BYTES = 1 << 20

/** Takes `source` over. Whatever is no scene, or a strange one, stays as it is. */
export async function prepareFile(parts: SceneParts, source: BlobReader): Promise<PreparedFile> {
  const plain = await unpackScene(parts, source)
  try {
    const form = await removeAddresses(parts, plain)
    if (!form) return { form: 'plain', reader: plain, bytes: plain.bytes, sha256: null }
    await plain.close()
    return { form: 'blend1', ...form }
  } catch (error) {
    await plain.close()
    throw error
  }
}

const packings: readonly (readonly [Packing, number, number])[] = [
  ['gzip', 0x1f, 0x8b],
  ['zstd', 0x28, 0xb5],
]

/** A compressed scene without its compression; anything else itself. */
async function unpackScene({ files, compression }: SceneParts, source: BlobReader): Promise<BlobReader> {
  const [first, second] = await source.read(0, 2)
  const packing = packings.find(([, one, other]) => one === first && other === second)?.[0]
  if (!packing) return source
  const file = await files.temporary()
  let isScene = false
  try {
    for await (const piece of compression.unpack(source, packing, OBJECT_BYTES_MAX)) {
      if (file.bytes === 0 && !isBlend(piece.subarray(0, BLEND_HEADER_BYTES))) break
      isScene = true
      await file.write(file.bytes, piece)
    }
  } catch (error) {
    await file.close()
    // Something else that only begins like that is sent as it is; a scene that is cut off is told.
    if (isScene || !(error instanceof Problem && error.code === 'invalid_request')) {
      await source.close()
      throw error
    }
    return source
  }
  await (isScene ? source : file).close()
  return isScene ? file : source
}

async function removeAddresses(
  { files, createHasher }: SceneParts,
  plain: BlobReader,
): Promise<{ reader: PartFile; bytes: number; sha256: string } | null> {
  const layout = blendLayout(await plain.read(0, BLEND_HEADER_BYTES))
  if (!layout) return null
  const remover = new AddressRemover()
  const note: OnBlock = (block, owner) => remover.note(block, owner)
  if (!(await eachBlock(plain, layout, note))) return null
  const file = await files.temporary()
  try {
    const whole = createHasher()
    const { headerBytes } = layout
    await file.write(0, await plain.read(0, headerBytes))
    const seen = (bytes: Uint8Array): void => whole.update(bytes)
    seen(await plain.read(0, headerBytes))
    await eachWindow(
      plain,
      { from: headerBytes, to: plain.bytes },
      {
        before: seen,
        replace: (words, at, isLast) => remover.replace(words, at, isLast),
        write: (at, bytes) => file.write(at, bytes),
      },
    )
    const tables = remover.tables()
    for (const table of [...tableList(tables), writeFooter(tables)]) await file.write(file.bytes, table)
    const sha256 = whole.digest()
    // Whatever the file is: it is not sent in a form that does not give it back.
    const isSame = remover.isGood && (await restoredHash({ createHasher }, file, layout)) === sha256
    if (isSame) return { reader: file, bytes: plain.bytes, sha256 }
  } catch (error) {
    await file.close()
    throw error
  }
  await file.close()
  return null
}

type OnBlock = (block: BlendBlock, owner: BlendOwner) => void

/** False where the blocks are not what they should be. */
async function eachBlock(scene: BlobReader, layout: BlendLayout, onBlock: OnBlock): Promise<boolean> {
  const needed = layout.headBytes + NAME_BYTES
  let window = new Uint8Array()
  let windowAt = 0
  for (let at = layout.headerBytes; at < scene.bytes; ) {
    if (at < windowAt || at + needed > windowAt + window.length) {
      window = (await scene.read(at, WINDOW_BYTES)) as Uint8Array<ArrayBuffer>
      windowAt = at
    }
    const head = window.subarray(at - windowAt, at - windowAt + needed)
    if (head.length < layout.headBytes) return false
    const block = readBlock(layout, at, head)
    if (block.code === 'ENDB') return true
    const isOdd = (block.end - layout.headerBytes) % 4 !== 0
    if (isOdd || block.end > scene.bytes || !/^[A-Z0-9]{2,4}$/.test(block.code)) return false
    onBlock(block, ownerOf(layout, block, head.subarray(layout.headBytes)))
    at = block.end
  }
  return false
}

interface WindowWork {
  before?(bytes: Uint8Array): void
  replace(words: Uint32Array, fileAt: number, isLast: boolean): number
  write(fileAt: number, bytes: Uint8Array): Promise<void>
}

/** Runs over words of 4 bytes; what of a window is not done begins the next. */
async function eachWindow(
  reader: BlobReader,
  { from, to }: { from: number; to: number },
  { before, replace, write }: WindowWork,
): Promise<void> {
  let seenTo = from
  for (let at = from; at < to; ) {
    const read = await reader.read(at, Math.min(WINDOW_BYTES, to - at))
    const isLast = at + read.length >= to
    if (read.length === 0)
      throw new Problem('conflict', 'The scene became shorter while it was read. Try again.')
    before?.(read.subarray(seenTo - at))
    seenTo = at + read.length
    // Copied, so that the words are where an array of words may begin.
    const bytes = new Uint8Array(read)
    const words = new Uint32Array(bytes.buffer, 0, bytes.length >> 2)
    const done = isLast ? bytes.length : 0
    const doneBytes = Math.max(done, replace(words, at, isLast) * 4)
    await write(at, bytes.subarray(0, doneBytes))
    at += doneBytes
  }
}

/** The hash of the file that an object in this form gives back. */
async function restoredHash(
  { createHasher }: Pick<SceneParts, 'createHasher'>,
  object: BlobReader,
  layout: BlendLayout,
): Promise<string> {
  const hasher = createHasher()
  await restore(object, layout, async (_at, bytes) => hasher.update(bytes))
  return hasher.digest()
}

async function restore(object: BlobReader, layout: BlendLayout, write: WindowWork['write']): Promise<void> {
  const found = readFooter(await object.read(object.bytes - FOOTER_BYTES, FOOTER_BYTES), object.bytes)
  const places = new RunPlaces()
  const note: OnBlock = (block, owner) => places.note(block, owner)
  if (!found || !(await eachBlock(object, layout, note))) throw damaged()
  const [addressBytes = 0, loosePlaceBytes = 0, looseBytes = 0, runBytes = 0] = found.lengths
  let at = found.at
  const next = async (bytes: number): Promise<Uint8Array> => {
    at += bytes
    return object.read(at - bytes, bytes)
  }
  const tables = {
    addresses: await next(addressBytes),
    loosePlaces: await next(loosePlaceBytes),
    loose: await next(looseBytes),
    runs: await next(runBytes),
  }
  const restorer = new AddressRestorer(tables, places)
  const to = found.at
  await write(0, await object.read(0, layout.headerBytes))
  await eachWindow(
    object,
    { from: layout.headerBytes, to },
    {
      replace: (words, at, isLast) => restorer.replace(words, at, isLast),
      write,
    },
  )
}

/** Writes the file that `object`, a scene in this form, is of, into `target`. The caller checks its hash. */
export async function restoreScene(object: BlobReader, target: PartFile): Promise<void> {
  const layout = blendLayout(await object.read(0, BLEND_HEADER_BYTES))
  if (!layout) throw damaged()
  await target.truncate(0)
  await restore(object, layout, (at, bytes) => target.write(at, bytes))
}

const damaged = (): Problem =>
  new Problem('unavailable', 'A scene that was fetched is damaged. Upload it again.')
