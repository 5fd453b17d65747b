/** Looks at results where they lie, for the coordinator, which gets words and no pictures. */
import type { z } from 'zod'
import type { BlobVault } from '#gateway/blobs/blob-vault.ts'
import type { Bus, Clock, Log, Secrets } from '#host/host.ts'
import { subjects } from '#protocol/cell.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import type { OutputFile } from '#protocol/task.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import {
  CheckOutputs,
  CompareCrops,
  CropsCompared,
  OutputsChecked,
  type RenderedAgain,
} from '#protocol/work-check.ts'
import type { Again } from '#verify/look-at-picture.ts'
import { createPictureThread, type PictureThread } from './picture-thread.ts'

export interface ServedChecks {
  close(): Promise<void>
}

export interface ServeChecksParts {
  readonly bus: Pick<Bus, 'serve'>
  readonly clock: Pick<Clock, 'after'>
  readonly secrets: Pick<Secrets, 'randomBytes'>
  readonly log: Log
  readonly vault: Pick<BlobVault, 'open'>
}

/** Of files that are read whole. A frame of 33 megapixels takes less in every format but uncompressed floats. */
const FILE_BYTES_MAX = 512 * 1024 * 1024
/** Where its size is known: four channels of 32 bits are a quarter of it. */
const PIXEL_BYTES_MAX = 64
const HEAD_BYTES_MAX = 1024 * 1024
const SECRET_BYTES = 32
/** Files of an organisation may lie at another gateway: who has them answers first. */
const MISSING_AFTER_MS = 1_500
/** What is under way at once; the coordinator asks again for what is not answered, for an hour. */
const OPEN_MAX = 256

type Found = { readonly bytes: Uint8Array } | { readonly fault: string }

export function serveChecks(
  parts: ServeChecksParts,
  thread: PictureThread = createPictureThread(parts),
): ServedChecks {
  const { bus, clock, log } = parts
  /** What is under way, by what was asked: how those who asked are answered. */
  const open = new Map<string, ((reply: string) => void)[]>()
  let isClosed = false
  let turn: Promise<unknown> = Promise.resolve()

  /** One after the other: what is read waits for no other's pictures, so that those of one call alone are in memory. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const own = turn.then(() => {
      if (isClosed) throw new Problem('cancelled', 'Results are looked at no more: this stops.')
      return work()
    })
    turn = own.catch(() => undefined)
    return own
  }

  function serve<In, Out>(
    subject: string,
    schemas: { input: z.ZodType<In>; output: z.ZodType<Out> },
    answer: (input: In) => Promise<Out>,
  ) {
    const write = jsonWriter(schemas.output)
    return bus.serve(subject, (message, reply) => {
      const key = `${subject} ${message}`
      const waiting = open.get(key)
      // Asked again for want of an answer: it keeps its turn, and is read once.
      if (waiting) return void waiting.push(reply)
      const parsed = schemas.input.safeParse(parseJson(message))
      if (!parsed.success)
        return log.error('bus.message_malformed', { subject, message: parsed.error.message })
      if (open.size >= OPEN_MAX) return
      const replies = [reply]
      open.set(key, replies)
      answer(parsed.data)
        .then((found) => {
          // That its thread was ended here says nothing of a picture.
          if (!isClosed) for (const one of replies) one(write(found))
        })
        .catch((error: unknown) => log.warn('check.failed', { subject, message: toProblem(error).message }))
        .finally(() => open.delete(key))
    })
  }

  const served = [
    serve(subjects.checkOutputs, { input: CheckOutputs, output: OutputsChecked }, async (input) => {
      const look = () => checkOutputs(parts, thread, input)
      // Of files that are no pictures nothing is read.
      const found = await (input.kind === 'files' ? look() : inTurn(look))
      if (found.faults.includes(MISSING))
        await new Promise<void>((resolve) => clock.after(MISSING_AFTER_MS, resolve))
      return found
    }),
    serve(subjects.compareCrops, { input: CompareCrops, output: CropsCompared }, (input) =>
      inTurn(() => compareCrops(parts, thread, input)),
    ),
  ]
  return {
    async close() {
      isClosed = true
      for (const subscription of served) subscription.close()
      await thread.close()
    },
  }
}

const MISSING = 'missing'
const nothing = { doubts: [], fingerprint: null, width: null, height: null, crops: null }

async function checkOutputs(
  parts: Pick<ServeChecksParts, 'vault' | 'secrets'>,
  thread: PictureThread,
  { organisationId, outputs, kind = 'frame', expected }: CheckOutputs,
): Promise<OutputsChecked> {
  if (kind === 'files') {
    for (const output of outputs) {
      const fault = await sizeFault(parts, organisationId, output)
      if (fault !== null) return { ...nothing, faults: [fault] }
    }
    return { ...nothing, faults: [] }
  }
  const [output] = outputs
  if (!output || outputs.length > 1) return { ...nothing, faults: ['one picture was expected'] }
  const { width, height } = expected
  const bytesMax =
    width === null || height === null ? FILE_BYTES_MAX : width * height * PIXEL_BYTES_MAX + HEAD_BYTES_MAX
  const found = await readWhole(parts, organisationId, { ...output, bytesMax })
  if ('fault' in found) return { ...nothing, faults: [found.fault] }
  const secret = parts.secrets.randomBytes(SECRET_BYTES)
  try {
    return await thread.look({ bytes: found.bytes, kind, expected, secret })
  } catch (error) {
    return { ...nothing, faults: [`unreadable: ${toProblem(error).message}`] }
  }
}

async function compareCrops(
  parts: Pick<ServeChecksParts, 'vault'>,
  thread: PictureThread,
  { organisationId, picture, crops, before, ...rendered }: CompareCrops,
): Promise<CropsCompared> {
  const found = await readWhole(parts, organisationId, { name: '', bytes: -1, sha256: picture })
  if ('fault' in found) return { verdict: 'unreadable', detail: found.fault, agrees: null }
  const again = await readAgain(parts, organisationId, rendered)
  if (typeof again === 'string') return { verdict: 'unreadable', detail: again, agrees: null }
  const earlier = before ? await readAgain(parts, organisationId, before) : null
  try {
    const compared = {
      picture: found.bytes,
      crops,
      again,
      before: typeof earlier === 'string' ? null : earlier,
    }
    return await thread.compare(compared)
  } catch (error) {
    return { verdict: 'unreadable', detail: toProblem(error).message, agrees: null }
  }
}

async function readAgain(
  parts: Pick<ServeChecksParts, 'vault'>,
  organisationId: string,
  { rendered, isWhole = false }: RenderedAgain,
): Promise<Again | string> {
  const files: Uint8Array[] = []
  let bytesMax = FILE_BYTES_MAX
  for (const output of rendered) {
    const found = await readWhole(parts, organisationId, { ...output, bytesMax })
    if ('fault' in found) return found.fault
    files.push(found.bytes)
    bytesMax -= found.bytes.length
  }
  return { files, isWhole }
}

async function sizeFault(
  { vault }: Pick<ServeChecksParts, 'vault'>,
  organisationId: string,
  { bytes, sha256 }: OutputFile,
): Promise<string | null> {
  const reader = await vault.open(organisationId, sha256)
  if (!reader) return MISSING
  await reader.close()
  return reader.bytes === bytes ? null : `it has ${reader.bytes} bytes, and ${bytes} were told`
}

/** `bytes` below zero: whatever it has, up to `bytesMax`. */
async function readWhole(
  { vault }: Pick<ServeChecksParts, 'vault'>,
  organisationId: string,
  { bytes, sha256, bytesMax = FILE_BYTES_MAX }: OutputFile & { readonly bytesMax?: number },
): Promise<Found> {
  const reader = await vault.open(organisationId, sha256)
  if (!reader) return { fault: MISSING }
  try {
    if (bytes >= 0 && reader.bytes !== bytes)
      return { fault: `it has ${reader.bytes} bytes, and ${bytes} were told` }
    if (reader.bytes > Math.min(bytesMax, FILE_BYTES_MAX))
      return { fault: `it has ${reader.bytes} bytes, more than any such frame` }
    return { bytes: await reader.read(0, reader.bytes) }
  } finally {
    await reader.close()
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // The schema refuses it, with a message that says what was expected.
  }
}
