/** What of batches is in the store of blobs: input files, chunks of results, files of results. */
import type { Batch } from '#batch/batch.ts'
import type { BatchEndpoint, InputError } from '#batch/batch-events.ts'
import { InputCheck, type InputVerdict, readLine } from '#batch/batch-input.ts'
import type { BatchLimits } from '#batch/batch-limits.ts'
import type { NewFile } from '#batch/decide-batch.ts'
import { LineSplitter } from '#batch/line-splitter.ts'
import { type BlobReader, type BlobStore, type BlobWriter, chunksOf } from '#host/blob-store.ts'
import { assert } from '#kernel/assert.ts'
import { Problem } from '#protocol/problem.ts'
import type { IdMaker } from './batch-ids.ts'
import { type LineOutcome, resultLine } from './line-run.ts'

export interface BatchFilesParts {
  readonly store: BlobStore
  readonly ids: IdMaker
  readonly limits: BatchLimits
}

/** Before each result of a chunk: of which file it will be a line. */
const GOOD = '+'
const BAD = '-'
const GOOD_BYTE = 43
const WRITE_BYTES = 256 * 1024
const encoder = new TextEncoder()

export const chunkName = (batchId: string, chunk: number): string =>
  `${batchId}.${String(chunk).padStart(6, '0')}`

export async function openFile(store: BlobStore, fileId: string): Promise<BlobReader> {
  const reader = await store.open(fileId)
  if (reader) return reader
  throw new Problem('disk_failed', `The bytes of ${fileId} are gone from the store for files.`)
}

/** Reads an input file to its end, or to where it is surely wrong. */
export async function checkInput(
  { store, limits }: BatchFilesParts,
  fileId: string,
  endpoint: BatchEndpoint,
): Promise<InputVerdict> {
  const reader = await store.open(fileId)
  if (!reader) return { errors: [fileMissing(fileId)], model: null, requests: 0 }
  const check = new InputCheck(endpoint, limits)
  const splitter = new LineSplitter(limits.lineBytesMax)
  for await (const chunk of chunksOf(reader)) {
    for (const line of splitter.push(chunk)) if (!check.take(line)) return check.verdict()
  }
  for (const line of splitter.end()) if (!check.take(line)) break
  return check.verdict()
}

/** As after a disk that was put back: no wait brings it again. */
const fileMissing = (fileId: string): InputError => ({
  code: 'file_missing',
  message: `The bytes of ${fileId} are gone from the store for files. Upload it again.`,
  param: 'input_file_id',
  line: null,
})

/** Makes a chunk of results durable, in place of one that was never counted. */
export async function writeChunk(
  { store }: Pick<BatchFilesParts, 'store'>,
  name: string,
  outcomes: readonly LineOutcome[],
): Promise<void> {
  await writing(store, name, async (file) => {
    for (const { isFailed, text } of outcomes) await file.write(`${isFailed ? BAD : GOOD}${text}\n`)
  })
}

/** The files of a batch whose chunks are complete: results, and what went wrong; `null` for one that would be empty. */
export async function writeResults(
  parts: BatchFilesParts,
  batch: Batch,
): Promise<{ output: NewFile | null; errors: NewFile | null }> {
  const { store, ids } = parts
  const names = Array.from({ length: batch.chunks }, (_, index) => chunkName(batch.batchId, index + 1))
  const there = new Set((await store.list(`${batch.batchId}.`)).map(({ name }) => name))
  /** Where a chunk is gone from the disk: whose results are in the others. */
  const found = names.every((name) => there.has(name)) ? null : new Set<string>()
  const files = { [GOOD]: new TextFile(await store.create()), [BAD]: new TextFile(await store.create()) }
  try {
    for (const name of names) {
      if (!there.has(name)) continue
      // A result may be longer than any request.
      const splitter = new LineSplitter(Number.MAX_SAFE_INTEGER)
      const copy = async (lines: ReturnType<LineSplitter['push']>): Promise<void> => {
        for (const { bytes } of lines) {
          if (!bytes) continue
          if (found) noteId(found, bytes.subarray(1))
          await files[bytes[0] === GOOD_BYTE ? GOOD : BAD].writeLine(bytes.subarray(1))
        }
      }
      for await (const piece of chunksOf(await openFile(store, name))) await copy(splitter.push(piece))
      await copy(splitter.end())
    }
    if ((batch.stop !== null && batch.requests > 0) || found)
      await tellMissing(parts, batch, files[BAD], found)
    const output = await finish(files[GOOD], ids.next('file-'), `${batch.batchId}_output.jsonl`)
    const errors = await finish(files[BAD], ids.next('file-'), `${batch.batchId}_error.jsonl`)
    return { output, errors }
  } catch (error) {
    await Promise.all([files[GOOD].abort(), files[BAD].abort()])
    throw error
  }
}

const decoder = new TextDecoder()

function noteId(found: Set<string>, line: Uint8Array): void {
  try {
    found.add(String(JSON.parse(decoder.decode(line)).custom_id))
  } catch {
    // What such a disk left of a result is nobody's: its line is told as one that is lost.
  }
}

const missing = {
  lost: {
    code: 'result_lost',
    message: 'This request was executed, and its result is gone from the disk of its gateway. Send it again.',
  },
  expired: {
    code: 'batch_expired',
    message: 'This request could not be executed before the completion window expired.',
  },
  cancelled: { code: 'batch_cancelled', message: 'This request was not executed: the batch was cancelled.' },
} as const

/** Tells of each line without a result why it has none; of done ones, too, where `found` does not have them. */
async function tellMissing(
  { store, limits }: BatchFilesParts,
  batch: Batch,
  file: TextFile,
  found: ReadonlySet<string> | null,
): Promise<void> {
  const splitter = new LineSplitter(limits.lineBytesMax)
  const tell = async (cuts: ReturnType<LineSplitter['push']>): Promise<void> => {
    for (const cut of cuts) {
      const isDone = batch.done.has(cut.line)
      const read = isDone && !found ? null : readLine(cut, batch.endpoint)
      if (read === null || 'code' in read || (isDone && found?.has(read.customId))) continue
      const why = isDone ? 'lost' : batch.stop
      assert(why !== null, 'a batch that was not stopped has all its lines done')
      const error = JSON.stringify(missing[why])
      const requestId = `req_${batch.batchId.slice(6)}${cut.line.toString(36)}`
      await file.write(`${resultLine(requestId, read.customId, { response: 'null', error })}\n`)
    }
  }
  const reader = await store.open(batch.inputFileId)
  // Without its input nobody could be told of its lines by their names.
  if (!reader) return
  for await (const chunk of chunksOf(reader)) await tell(splitter.push(chunk))
  await tell(splitter.end())
}

async function finish(file: TextFile, fileId: string, filename: string): Promise<NewFile | null> {
  const bytes = await file.finish(fileId)
  return bytes === 0 ? null : { fileId, filename, purpose: 'batch_output', bytes, expiresAtMs: null }
}

async function writing(
  store: BlobStore,
  name: string,
  write: (file: TextFile) => Promise<void>,
): Promise<void> {
  const file = new TextFile(await store.create())
  try {
    await write(file)
    await file.finish(name)
  } catch (error) {
    await file.abort()
    throw error
  }
}

/** Writes many small pieces as few large ones. */
class TextFile {
  readonly #writer: BlobWriter
  #pieces: Uint8Array[] = []
  #bytes = 0
  #total = 0

  constructor(writer: BlobWriter) {
    this.#writer = writer
  }

  async write(text: string): Promise<void> {
    await this.#add(encoder.encode(text))
  }

  async writeLine(bytes: Uint8Array): Promise<void> {
    await this.#add(bytes)
    await this.#add(LINE_FEED)
  }

  /** How many bytes it has; without any there is no file. */
  async finish(name: string): Promise<number> {
    await this.#flush()
    if (this.#total === 0) await this.#writer.abort()
    else await this.#writer.finish(name)
    return this.#total
  }

  abort(): Promise<void> {
    return this.#writer.abort()
  }

  async #add(bytes: Uint8Array): Promise<void> {
    this.#pieces.push(bytes)
    this.#bytes += bytes.length
    this.#total += bytes.length
    if (this.#bytes >= WRITE_BYTES) await this.#flush()
  }

  async #flush(): Promise<void> {
    if (this.#bytes === 0) return
    const whole = Buffer.concat(this.#pieces, this.#bytes)
    this.#pieces = []
    this.#bytes = 0
    await this.#writer.write(whole)
  }
}

const LINE_FEED = encoder.encode('\n')
