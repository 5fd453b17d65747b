/** Frames as people get to see them beside the command: in the terminal, or on a contact sheet in the folder of results. */
import { makeContactSheet, type SheetPicture } from '#images/contact-sheet.ts'
import { type Picture, PictureError } from '#images/picture.ts'
import { readPicture } from '#images/read-picture.ts'
import { shrink, toScreen } from '#images/shrink.ts'
import { writePng } from '#images/write-png.ts'
import { Problem } from '#protocol/problem.ts'
import type { CliContext } from '../context.ts'
import type { JobTools } from '../jobs/job-tools.ts'
import { pictureProtocol, pictureText } from './terminal-picture.ts'

export interface FrameFile {
  readonly path: string
  /** Of the frame. */
  readonly label: string
}

type Tools = Pick<JobTools, 'disk' | 'inflate' | 'deflate'>

/** Of one picture, in a strip and in the terminal. */
const ROOM = { width: 256, height: 192 }
const SHEET_COLUMNS = 4
/** As many as are read again for a sheet: a large frame takes a second. */
const SHEET_MAX = 12

/** One picture of several, side by side; `null` when none can be shown. */
export async function stripOf(
  tools: Tools,
  frames: readonly FrameFile[],
  columns = SHEET_COLUMNS,
): Promise<Uint8Array | null> {
  const pictures: SheetPicture[] = []
  for (const { path, label } of spread(frames, SHEET_MAX)) {
    const picture = await readSmall(tools, path)
    if (picture !== null) pictures.push({ picture, label })
  }
  if (pictures.length === 0) return null
  return writePng(makeContactSheet(pictures, { columns, ...ROOM }), tools.deflate)
}

/** Writes it to the terminal, or says false where the terminal shows no pictures. */
export function showInTerminal(context: Pick<CliContext, 'env' | 'stderr'>, png: Uint8Array): boolean {
  const protocol = pictureProtocol(context)
  if (protocol !== null) context.stderr.write(pictureText(png, protocol))
  return protocol !== null
}

/** The sheet's path; a sheet of the same name goes, as the name holds the id of what it is of. */
export async function saveSheet(
  { disk }: Pick<Tools, 'disk'>,
  png: Uint8Array,
  { folder, name }: { readonly folder: string; readonly name: string },
): Promise<string> {
  const path = `${folder}/${name}.png`
  if (await disk.writeNew(path, png)) return path
  await disk.remove(path)
  if (await disk.writeNew(path, png)) return path
  throw new Problem('conflict', `${path} could not be written: another program writes it at the same time.`)
}

async function readSmall({ disk, inflate }: Tools, path: string): Promise<Picture | null> {
  const bytes = await disk.read(path)
  if (bytes === null) return null
  try {
    const picture = readPicture(bytes, inflate)
    const small = shrink(picture, ROOM)
    return picture.step === 0 ? toScreen(small) : small
  } catch (error) {
    // A picture of a kind that is not read here is no reason to end a job's watching.
    if (error instanceof PictureError) return null
    throw error
  }
}

/** `count` of `all` at most, from the first to the last, as evenly as can be. */
function spread<T>(all: readonly T[], count: number): readonly T[] {
  if (all.length <= count) return all
  return Array.from({ length: count }, (_, at) => all[Math.round((at * (all.length - 1)) / (count - 1))] as T)
}
