/** Over the bus, to whoever keeps the files of jobs: results are looked at where they lie, and only words come back. */
import { z } from 'zod'
import { OutputFile, TaskHash } from './task.ts'

/** Checks that cost no rendering, of every result of a verified job. */
export const CheckOutputs = z.object({
  organisationId: z.string(),
  outputs: z.array(OutputFile),
  /**
   * What they are to be: one `frame`, a `range` of one's samples, a `picture` that came of others, or any `files`. A frame unless
   * said.
   */
  kind: z.enum(['frame', 'range', 'picture', 'files']).optional(),
  /** Of pictures: what the plan knows of them. `null` where it does not. */
  expected: z.object({
    width: z.int().nullable(),
    height: z.int().nullable(),
    frame: z.int().nullable(),
    sceneHash: z.string().nullable(),
    samples: z.int().nullable(),
    seed: z.int().nullable().optional(),
    /** Of a range. */
    sampleOffset: z.int().nullable().optional(),
    /** Fingerprints of the frames beside it. */
    neighbours: z.array(z.string()),
  }),
})
export type CheckOutputs = z.output<typeof CheckOutputs>
export const OutputsChecked = z.object({
  /** What is certainly wrong: the result does not count. Empty when nothing is. */
  faults: z.array(z.string()),
  /** What makes it worth an audit. */
  doubts: z.array(z.string()),
  /** Of the picture, to be compared with its neighbours. */
  fingerprint: z.string().nullable(),
  /** Of the picture: pixels and the boxes that an audit would render, most telling first, as `x,y,width,height;…`. */
  width: z.int().nullable(),
  height: z.int().nullable(),
  crops: z.string().nullable(),
})
export type OutputsChecked = z.output<typeof OutputsChecked>

/** What another node rendered: crops one by one, in order, or the whole frame. */
export const RenderedAgain = z.object({ rendered: z.array(OutputFile), isWhole: z.boolean().optional() })
export type RenderedAgain = z.output<typeof RenderedAgain>

/** Compares a picture with crops of it that another node rendered. */
export const CompareCrops = z.object({
  organisationId: z.string(),
  picture: TaskHash,
  crops: z.string(),
  ...RenderedAgain.shape,
  /** What was rendered by yet another before: whether both say the same. */
  before: RenderedAgain.optional(),
})
export type CompareCrops = z.output<typeof CompareCrops>
export const CropsCompared = z.object({
  /** `unreadable`: the crops are no pictures of that size. */
  verdict: z.enum(['same', 'different', 'unreadable']),
  detail: z.string(),
  agrees: z.boolean().nullable().optional(),
})
export type CropsCompared = z.output<typeof CropsCompared>

/** What live and kept jobs of an organisation need of its files; nothing else is kept for them. */
export const BlobRoots = z.object({
  organisationId: z.string(),
  /** The `next` of the answer before; absent for the first. */
  after: z.string().optional(),
  /** Without what is only kept of jobs that left the memory: its owner may delete that. A coordinator of before tells all. */
  liveOnly: z.boolean().optional(),
})
export type BlobRoots = z.output<typeof BlobRoots>
export const BlobRootsReply = z.object({
  roots: z.array(z.object({ kind: z.enum(['object', 'tree']), sha256: TaskHash })),
  /** There are more: to be asked for with it as `after`. Absent with the last. */
  next: z.string().optional(),
})
export type BlobRootsReply = z.output<typeof BlobRootsReply>
