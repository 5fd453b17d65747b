/**
 * What the inspection of a scene comes to for whoever submits it: files to send along, where those go that lie
 * elsewhere, what is missing by name, and what to expect. The inspection is the script's, and so is checked like all input.
 */
import { z } from 'zod'

const SceneFile = z.object({
  kind: z.string(),
  /** The image, library, cache that wants it. */
  owner: z.string(),
  /** Absolute, as the scene means it. */
  path: z.string(),
  isThere: z.boolean(),
  bytes: z.number().nonnegative(),
})
export type SceneFile = z.output<typeof SceneFile>

const SceneWarning = z.object({ code: z.string(), message: z.string() })
export type SceneWarning = z.output<typeof SceneWarning>

export const SceneFacts = z.object({
  scene: z.string(),
  frameStart: z.int(),
  frameEnd: z.int(),
  frameStep: z.int(),
  fps: z.number().positive(),
  width: z.int().positive(),
  height: z.int().positive(),
  samples: z.int(),
  seed: z.int(),
  isAdaptive: z.boolean(),
  isDenoised: z.boolean(),
  isComposited: z.boolean(),
  triangles: z.int().nonnegative(),
  /** What its pictures take in memory. */
  imageBytes: z.number().nonnegative().default(0),
})
export type SceneFacts = z.output<typeof SceneFacts>

/** `notes.inspection` of a task `{do: 'inspect'}`. */
export const Inspection = z.object({
  files: z.array(SceneFile),
  warnings: z.array(SceneWarning),
  facts: SceneFacts,
})
export type Inspection = z.output<typeof Inspection>

export interface Preflight {
  /** A sentence for each reason why it cannot be submitted; empty when it can. */
  readonly errors: readonly string[]
  readonly warnings: readonly SceneWarning[]
  /** The .blend and what it reads: where each lies here, and where in the step's inputs. Some are folders. */
  readonly sends: readonly { readonly from: string; readonly to: string }[]
  /** The .blend in the step's inputs. */
  readonly file: string
  /** For the step's `remap`: where paths lead that the scene names from the root of the disk. */
  readonly remap: Readonly<Record<string, string>>
}

/**
 * `blend` is the path of the .blend as the inspection saw it. The inputs begin at the nearest folder that all files are
 * below, so that what the scene names by relative paths lies where it says.
 */
export function makePreflight({ files, warnings }: Inspection, blend: string): Preflight {
  const there: string[] = [blend]
  const errors: string[] = []
  const more: SceneWarning[] = []
  for (const file of files) {
    if (file.isThere) {
      if (!there.includes(file.path)) there.push(file.path)
      continue
    }
    const sentence = `The ${file.kind} '${file.owner}' is missing: there is no file ${file.path}. Put it there, pack it into the .blend or take it out of the scene.`
    if (file.kind === 'simulation') more.push({ code: 'unbaked', message: sentence })
    else errors.push(sentence)
  }
  const root = commonFolder(there)
  // Caches are found by the scene's own name, not by that of the copy that the add-on made of it for a moment.
  const own = blend.replace(/\.shoal-\d+(?=\.blend$)/, '')
  const below = (path: string): string =>
    (path === blend && !there.includes(own) ? own : path).slice(root.length)
  return {
    errors,
    warnings: [...warnings, ...more],
    sends: there.map((path) => ({ from: path, to: below(path) })),
    file: below(blend),
    remap: there.length === 1 ? {} : { [root]: '' },
  }
}

/** With its `/` at the end. */
function commonFolder(paths: readonly string[]): string {
  const [first = ['']] = paths.map((path) => path.split('/').slice(0, -1))
  let count = first.length
  for (const path of paths) {
    const names = path.split('/').slice(0, -1)
    while (names.slice(0, count).join('/') !== first.slice(0, count).join('/')) count--
  }
  return `${first.slice(0, count).join('/')}/`
}
