/** Where a Blender lies that is no package of the system: its sandbox shows the system's programs alone. */
import { accessSync, constants, existsSync, readdirSync, realpathSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

export interface ProgramPlace {
  readonly program: string
  /** What it needs of its folder, where the sandbox does not show that. */
  readonly programFiles: readonly string[]
}

/** Of the sandbox, where it finds programs by their names. */
const IN_PATH = ['/usr/bin', '/bin']
const IS_SHOWN = /^\/(usr|bin|sbin|lib|lib32|lib64|libx32)\//
/** Beside the program in an archive of Blender: its data, by its version, and its libraries. */
const BESIDE = /^(\d+\.\d+|lib)$/

/** A program by its name or path; as it was named where it is not there, or where the sandbox finds it so. */
export function placeOfBlender(named: string, path = process.env['PATH'] ?? ''): ProgramPlace {
  const asNamed = { program: named, programFiles: [] }
  const found = named.includes('/')
    ? [resolve(named)]
    : path.split(':').flatMap((folder) => (folder === '' ? [] : [join(folder, named)]))
  const first = found.find(isProgram)
  if (first === undefined) return asNamed
  const program = realpathSync(first)
  const folder = dirname(program)
  if (IN_PATH.includes(dirname(first)) && IS_SHOWN.test(program)) return asNamed
  if (IS_SHOWN.test(program)) return { program, programFiles: [] }
  // No more of the folder: it may as well be the one with all that its owner has.
  const beside = readdirSync(folder).filter((name) => BESIDE.test(name))
  return { program, programFiles: [program, ...beside.map((name) => join(folder, name))] }
}

function isProgram(path: string): boolean {
  if (!existsSync(path)) return false
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
