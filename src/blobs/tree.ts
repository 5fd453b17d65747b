/**
 * A folder as one object: which file is at which path. What others send as a tree is hostile until `readTree` took it:
 * no path of it leads out of its folder, on any system, and no two are the same place.
 */
import { z } from 'zod'

/** Of the text of a tree. */
export const TREE_BYTES_MAX = 4 * 1024 * 1024
export const TREE_FILES_MAX = 20_000
const PATH_LENGTH_MAX = 1_024
const NAME_LENGTH_MAX = 255

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/)

/**
 * How a file is stored: as it is, or as a scene in which what each save changes by itself is set apart
 * (`blend-form.ts`).
 */
export const FileForm = z.enum(['plain', 'blend1'])
export type FileForm = z.output<typeof FileForm>

export const TreeFile = z.strictObject({
  path: z.string().min(1).max(PATH_LENGTH_MAX),
  bytes: z.int().min(0),
  sha256: Sha256,
  form: FileForm.default('plain'),
  /** The object that has it; the file itself where its form is plain. */
  object: Sha256,
})
export type TreeFile = z.output<typeof TreeFile>

export const Tree = z.strictObject({ shoalTree: z.literal(1), files: z.array(TreeFile).max(TREE_FILES_MAX) })
export type Tree = z.output<typeof Tree>

/** The same files make the same text, whatever their order. */
export function writeTree(files: readonly TreeFile[]): string {
  const sorted = files.toSorted((a, b) => (a.path < b.path ? -1 : 1))
  return JSON.stringify({
    shoalTree: 1,
    files: sorted.map(({ path, bytes, sha256, form, object }) => ({ path, bytes, sha256, form, object })),
  })
}

/** The tree, or what is wrong with it in one sentence. */
export function readTree(text: string): Tree | string {
  if (text.length > TREE_BYTES_MAX) return `It has more than ${TREE_BYTES_MAX >> 20} MiB.`
  const parsed = Tree.safeParse(parseJson(text))
  if (!parsed.success) return 'It is no list of files of this version.'
  const wrong = wrongPath(parsed.data.files.map(({ path }) => path))
  if (wrong) return wrong
  const odd = parsed.data.files.find(({ form, object, sha256 }) => form === 'plain' && object !== sha256)
  return odd ? `${quote(odd.path)} is kept as it is, but under another hash.` : parsed.data
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // No JSON is no tree: the schema says so.
    return null
  }
}

/** As a file system that knows no case sees a path: two that are one place there cannot lie in one folder. */
export const placeOf = (path: string): string => path.normalize('NFC').toLowerCase()

/** The folders that a place is in, from the outermost. */
export function foldersOf(place: string): string[] {
  const names = place.split('/')
  return names.slice(1).map((_, at) => names.slice(0, at + 1).join('/'))
}

/** The first thing that is wrong with these paths of one folder, in one sentence, or `null`. */
export function wrongPath(paths: readonly string[]): string | null {
  const files = new Map<string, string>()
  const folders = new Map<string, string>()
  for (const path of paths) {
    const wrong = wrongName(path)
    if (wrong) return `${quote(path)} ${wrong}.`
    const place = placeOf(path)
    const other = files.get(place) ?? folders.get(place)
    if (other !== undefined) return `${quote(path)} and ${quote(other)} are one place on some systems.`
    files.set(place, path)
    for (const folder of foldersOf(place)) {
      if (files.has(folder)) return `${quote(files.get(folder) ?? '')} is a file and a folder.`
      folders.set(folder, path)
    }
  }
  return null
}

const FORBIDDEN = /[\p{Cc}\\:*?"<>|]/u
/** Devices of Windows, with whatever ending. */
const DEVICE = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/i

function wrongName(path: string): string | null {
  if (path.length > PATH_LENGTH_MAX) return `is longer than ${PATH_LENGTH_MAX} letters`
  if (path.startsWith('/')) return 'begins at the root of the disk'
  if (FORBIDDEN.test(path)) return 'has a letter that is not for file names'
  for (const name of path.split('/')) {
    if (name === '') return 'has an empty name in it'
    if (name === '.' || name === '..') return 'leads out of its folder'
    if (name.length > NAME_LENGTH_MAX) return `has a name longer than ${NAME_LENGTH_MAX} letters`
    if (/[. ]$/.test(name)) return 'has a name that ends in a dot or a space'
    if (DEVICE.test(name)) return 'has the name of a device'
  }
  return null
}

const quote = (path: string): string => `'${path.slice(0, 200).replace(/\p{Cc}/gu, '?')}'`

export interface Root {
  readonly kind: 'object' | 'tree'
  readonly sha256: string
}
