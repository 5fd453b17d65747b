/** The load tools: C, so that they cost a small part of what they load; compiled when they are needed. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const COMPILERS = ['cc', 'gcc', 'clang']
const TOOLS = ['load', 'mock', 'agents'] as const
export type Tools = Readonly<Record<(typeof TOOLS)[number], string>>

/** Paths of the programs in `folder`. Throws with what to install where there is no compiler. */
export function buildTools(folder: string): Tools {
  const compiler = COMPILERS.find((name) => spawnSync(name, ['--version']).status === 0)
  if (compiler === undefined) {
    throw new Error(
      'The load tools are written in C, and there is no C compiler here: install gcc or clang ("apt-get install gcc libc6-dev" on Debian).',
    )
  }
  const programs = TOOLS.map((name) => {
    const program = join(folder, name)
    const source = join(import.meta.dirname, `${name}.c`)
    const { status, stderr } = spawnSync(compiler, ['-O2', '-o', program, source], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`${compiler} could not compile ${source}: ${stderr}`)
    return [name, program] as const
  })
  return Object.fromEntries(programs) as Tools
}
