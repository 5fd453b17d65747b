/**
 * The write-ahead log of a SQLite file, read before SQLite does: https://sqlite.org/fileformat2.html#walformat.
 *
 * At the first frame whose checksum is wrong SQLite ends the log and drops the rest, without a word. That is right for
 * what a crash left half-written, and wrong for a frame that has rotted since: then acknowledged entries would be gone.
 * The two can be told apart. A transaction is written only after the one before it was synced; so a wrong frame with
 * a whole commit after it, and more that goes on from that commit, was once right. What does not go on from it proves
 * nothing: after a crash SQLite writes over what the crash left, under the same salts, and the rest of that stands behind.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24
/** The magic number's last bit tells the byte order of the checksums. */
const MAGIC = 0x377f0682
const PAGE_BYTES_MAX = 65_536
const CHUNK_FRAMES = 256

type Checksum = readonly [number, number]

/** Whether some durable frame of the log at `path` is not what was written. False where there is no log. */
export function isLogDamaged(path: string): boolean {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
  try {
    return isDamaged(file)
  } finally {
    closeSync(file)
  }
}

function isDamaged(file: number): boolean {
  const header = new DataView(new ArrayBuffer(HEADER_BYTES))
  if (readSync(file, header, 0, HEADER_BYTES, 0) < HEADER_BYTES) return false
  const isLittle = (header.getUint32(0) & 1) === 0
  const isHeaderWhole =
    (header.getUint32(0) & ~1) === MAGIC &&
    isSame(sum(header, [0, 24], [0, 0], isLittle), checksumAt(header, 24))
  const pageBytes = header.getUint32(8)
  // Without a page size frames cannot be told; SQLite takes such a log for none, and so would a harmed one be.
  if (pageBytes < 512 || pageBytes > PAGE_BYTES_MAX || (pageBytes & (pageBytes - 1)) !== 0)
    return fstatSync(file).size > HEADER_BYTES && !isHeaderWhole
  const scan = new LogScan(header, { isLittle, isHeaderWhole })
  for (const frame of framesOf(file, FRAME_HEADER_BYTES + pageBytes)) {
    scan.read(frame)
    if (scan.isDamaged) return true
  }
  return false
}

/** Goes through the frames of one generation of the log. */
class LogScan {
  isDamaged = false
  readonly #isLittle: boolean
  /** Null where the header is wrong, and may be so in its salts: what then goes on from one another is a log all the same. */
  readonly #salts: Checksum | null
  /** As the frame before says. */
  #running: Checksum
  /** A wrong frame came; after the last such, a whole commit came. */
  #after: 'nothing' | 'wrong' | 'commit' = 'nothing'

  constructor(header: DataView, { isLittle, isHeaderWhole }: { isLittle: boolean; isHeaderWhole: boolean }) {
    this.#isLittle = isLittle
    this.#salts = isHeaderWhole ? checksumAt(header, 16) : null
    this.#running = checksumAt(header, 24)
    if (!isHeaderWhole) this.#after = 'wrong'
  }

  read(frame: DataView): void {
    const said = checksumAt(frame, 16)
    const afterHead = sum(frame, [0, 8], this.#running, this.#isLittle)
    const found = sum(frame, [FRAME_HEADER_BYTES, frame.byteLength], afterHead, this.#isLittle)
    // What an earlier generation left further on in the file has other salts.
    const isOurs = this.#salts === null || isSame(checksumAt(frame, 8), this.#salts)
    const isWhole = isOurs && isSame(found, said)
    this.#running = said
    if (!isWhole) {
      this.#after = 'wrong'
      return
    }
    if (this.#after === 'commit') this.isDamaged = true
    const isCommit = frame.getUint32(4) !== 0
    if (this.#after === 'wrong' && isCommit) this.#after = 'commit'
  }
}

/** The whole frames of a log, one after the other; each is valid until the next. */
function* framesOf(file: number, frameBytes: number): Generator<DataView> {
  const chunk = new Uint8Array(frameBytes * CHUNK_FRAMES)
  let position = HEADER_BYTES
  for (;;) {
    const bytes = readSync(file, chunk, 0, chunk.length, position)
    const frames = Math.floor(bytes / frameBytes)
    for (let index = 0; index < frames; index++) {
      yield new DataView(chunk.buffer, index * frameBytes, frameBytes)
    }
    if (frames === 0) return
    position += frames * frameBytes
  }
}

/** SQLite's checksum over 32-bit words, going on from `start`. */
function sum(view: DataView, [from, to]: Checksum, start: Checksum, isLittle: boolean): Checksum {
  let [first, second] = start
  for (let at = from; at < to; at += 8) {
    first = (first + view.getUint32(at, isLittle) + second) >>> 0
    second = (second + view.getUint32(at + 4, isLittle) + first) >>> 0
  }
  return [first, second]
}

const checksumAt = (view: DataView, at: number): Checksum => [view.getUint32(at), view.getUint32(at + 4)]
const isSame = (a: Checksum, b: Checksum): boolean => a[0] === b[0] && a[1] === b[1]
