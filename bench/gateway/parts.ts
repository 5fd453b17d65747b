/** What is measured: parts that can be run alone, each a few loads of one kind. */
import type { Ask } from './measure.ts'
import type { Pace } from './target.ts'

export interface Load extends Omit<Ask, 'seconds'> {
  readonly name: string
  /** Also in a run that is to take minutes. */
  readonly isShort: boolean
  /** Streams that are open all the time; 0 where that is not the point. */
  readonly streams: number
}

export interface Part {
  readonly name: string
  readonly what: string
  readonly loads: readonly Load[]
}

/** Streams begin one after the other over as long as one lasts, so that they do not all begin and end together. */
const RAMP_SECONDS = 1.3

const closed = (pace: Pace, conns: number, isShort = false): Load => ({
  name: `${conns} at a time`,
  pace,
  load: [`conns=${conns}`],
  warmSeconds: 1,
  isShort,
  streams: 0,
})

const open = (pace: Pace, rate: number, isShort = false): Load => ({
  name: pace === 'paced' ? `${rate} streams/s` : `${rate} requests/s`,
  pace,
  load: [`rate=${rate}`, `conns=${pace === 'paced' ? rate * 4 : 64}`],
  warmSeconds: pace === 'paced' ? 2 : 1,
  isShort,
  streams: 0,
})

const streams = (count: number, isShort = false): Load => ({
  name: `${count} streams`,
  pace: 'paced',
  load: [`conns=${count}`, `ramp=${RAMP_SECONDS}`],
  warmSeconds: RAMP_SECONDS * 2,
  isShort,
  streams: count,
})

const padded = (kilobytes: number): Load => ({
  ...closed('whole', 32),
  name: `${kilobytes} KB prompts, 32 at a time`,
  load: ['conns=32', `pad=${kilobytes * 1_000}`],
})

export const parts: readonly Part[] = [
  {
    name: 'json',
    what: 'whole answers, closed loop: each connection asks again once it was answered',
    loads: [closed('whole', 1, true), closed('whole', 32), closed('whole', 128, true)],
  },
  {
    name: 'stream',
    what: 'streams of 64 tokens that the upstream has at once, closed loop',
    loads: [closed('burst', 1), closed('burst', 32, true), closed('burst', 128)],
  },
  {
    name: 'open',
    what: 'open loop, timed from when each was due; streams have 50 tokens/s',
    loads: [open('whole', 300), open('whole', 1_000, true), open('paced', 100, true)],
  },
  {
    name: 'paced',
    what: 'streams of 50 tokens/s, begun one after the other, always as many',
    loads: [streams(100, true), streams(512), streams(900, true)],
  },
  { name: 'prompts', what: 'whole answers to long prompts', loads: [padded(1), padded(10), padded(100)] },
]
