import { DAY_MS, HOUR_MS } from '#kernel/time.ts'

/** What bounds uploaded files and batches. Every figure is one that a network may change. */
export interface BatchLimits {
  /** Bytes of one uploaded file. */
  readonly fileBytesMax: number
  /** Requests in one batch, and texts to embed in all requests of one. */
  readonly linesMax: number
  readonly embeddingInputsMax: number
  /** Bytes of one request, as of one that comes by itself. */
  readonly lineBytesMax: number
  /** What is not done this long after the batch was made expires. */
  readonly windowMs: number
  /** A file is kept for so long when nobody said for how long, and a batch that is over in any case. */
  readonly keepMs: number
  /** Bytes and number of an organisation's files, and of all files together. */
  readonly organisationBytesMax: number
  readonly organisationFilesMax: number
  readonly bytesMax: number
  /** Files that an organisation uploads at once: what is not whole yet counts for nobody. */
  readonly organisationUploadsMax: number
  /** Batches of an organisation that are not over. */
  readonly organisationBatchesMax: number
  /** Batches of an organisation that are remembered, over or not: beyond it the oldest that are over make room. */
  readonly organisationBatchesKeptMax: number
  /** Errors that a batch which was refused lists. */
  readonly errorsMax: number
  /** Errors that all refused batches of an organisation list together: beyond it a further one lists its first. */
  readonly organisationErrorsMax: number
  /** The least that a node takes off its ask to be given batch work, in hundredths of a percent. */
  readonly discountBpsMin: number
  /** The part of a node's slots that batches leave free, in hundredths of a percent; rounded up, but never all of them. */
  readonly slotsReservedBps: number
  /** Requests of batches under way at once, in all. */
  readonly inFlightMax: number
  /** How long requests that run when their batch is stopped may take to end. */
  readonly drainMs: number
}

const GIB = 1024 ** 3

export const batchLimits: BatchLimits = {
  fileBytesMax: 200 * 1024 * 1024,
  linesMax: 50_000,
  embeddingInputsMax: 50_000,
  lineBytesMax: 4 * 1024 * 1024,
  windowMs: 24 * HOUR_MS,
  keepMs: 30 * DAY_MS,
  organisationBytesMax: 4 * GIB,
  organisationFilesMax: 10_000,
  bytesMax: 32 * GIB,
  organisationUploadsMax: 4,
  organisationBatchesMax: 100,
  organisationBatchesKeptMax: 5_000,
  errorsMax: 100,
  organisationErrorsMax: 10_000,
  discountBpsMin: 5_000,
  slotsReservedBps: 2_500,
  inFlightMax: 256,
  drainMs: 10 * 60_000,
}
