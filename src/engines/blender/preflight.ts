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
  triangles: z.int().nonnegative(),
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
  /** Files beside the .blend: where each lies here, and where in the step's inputs. */
  readonly sends: readonly { readonly from: string; readonly to: string }[]
  /** For the step's `remap`: paths that the scene names, by where they are in the inputs. */
  readonly remap: Readonly<Record<string, string>>
}

/** Where files go that do not lie in the scene's folder or below it. */
const ELSEWHERE = 'elsewhere'

/** `sceneFolder` is where the .blend lies, as the inspection saw it: its paths begin there. */
export function makePreflight({ files, warnings }: Inspection, sceneFolder: string): Preflight {
  const sends: { from: string; to: string }[] = []
  const remap: Record<string, string> = {}
  const errors: string[] = []
  const more: SceneWarning[] = []
  for (const file of files) {
    if (!file.isThere) {
      const sentence = `The ${file.kind} '${file.owner}' is missing: there is no file ${file.path}. Put it there, pack it into the .blend or take it out of the scene.`
      if (file.kind === 'simulation') more.push({ code: 'unbaked', message: sentence })
      else errors.push(sentence)
      continue
    }
    const below = pathBelow(sceneFolder, file.path)
    const to = below ?? `${ELSEWHERE}/${sends.length}/${baseName(file.path)}`
    sends.push({ from: file.path, to })
    if (below === null) remap[file.path] = to
  }
  return { errors, warnings: [...warnings, ...more], sends, remap }
}

function pathBelow(folder: string, path: string): string | null {
  const prefix = folder.endsWith('/') ? folder : `${folder}/`
  return path.startsWith(prefix) && !path.includes('/../') ? path.slice(prefix.length) : null
}

const baseName = (path: string): string => path.split(/[/\\]/).findLast((part) => part !== '') ?? 'file'
