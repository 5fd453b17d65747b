/**
 * Blender's box: it sees the scene and our scripts, and writes to one folder of results. A scene is a program that
 * strangers wrote: file formats have holes even where scripts do not run.
 */
import { HOME_IN_BOX, sandboxArguments } from '../sandbox.ts'

export interface BoxOptions {
  readonly sceneFolder: string
  /** Where it lies inside; `inBox.scene` unless given. */
  readonly sceneInside?: string
  /** Further folders and files, which lie inside where they lie outside. */
  readonly alsoSees?: readonly string[]
  readonly scriptsFolder: string
  readonly outFolder: string
  readonly usesGpu: boolean
  /** For `/tmp`, `/dev/shm` and the home folder, each. */
  readonly scratchBytes: number
  /** Threads count. */
  readonly processesMax: number
}

/** Where things lie inside: scenes where nobody's lie outside, so that what was moved there is told from what was not. */
export const inBox = { scene: '/shoal-scene', scripts: '/shoal', out: '/out', home: HOME_IN_BOX } as const

/** Arguments of `bwrap` that run `command` in the box. */
export const boxArguments = (options: BoxOptions, command: readonly string[]): readonly string[] =>
  sandboxArguments(
    {
      readOnly: [
        { from: options.sceneFolder, to: options.sceneInside ?? inBox.scene },
        ...(options.alsoSees ?? []).map((folder) => ({ from: folder, to: folder })),
        { from: options.scriptsFolder, to: inBox.scripts },
      ],
      writable: { from: options.outFolder, to: inBox.out },
      usesGpu: options.usesGpu,
      scratchBytes: options.scratchBytes,
      processesMax: options.processesMax,
    },
    command,
  )
