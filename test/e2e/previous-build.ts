/** The build before this one, taken from the history: the same programs as then, with the packages of now. */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Rig } from './rig.ts'

const root = join(import.meta.dirname, '../..')
const { commit, release } = JSON.parse(
  readFileSync(join(root, 'test/golden/agent-protocol/previous-build.json'), 'utf8'),
) as { commit: string; release: string }

export interface PreviousBuild {
  readonly release: string
  /** What runs its `shoal`. */
  readonly command: readonly string[]
}

/** Unpacks it into the rig's folder; or says why that is not possible here. */
export function unpackPreviousBuild(rig: Rig): PreviousBuild | string {
  const git = (args: readonly string[]) => spawnSync('git', ['-C', root, ...args], { stdio: 'ignore' })
  if (git(['--version']).status !== 0) return 'git is not installed'
  if (git(['cat-file', '-e', `${commit}^{commit}`]).status !== 0)
    return `the history here does not reach back to release ${release} (${commit.slice(0, 8)}), as in a shallow clone`
  const folder = rig.path('previous-build')
  mkdirSync(folder)
  const archive = execFileSync(
    'git',
    ['-C', root, 'archive', '--format=tar', commit, 'bin', 'src', 'data', 'package.json'],
    {
      maxBuffer: 256 * 1024 * 1024,
    },
  )
  execFileSync('tar', ['-x', '-C', folder], { input: archive })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  for (const name of ['models', 'tsconfig.json']) {
    if (existsSync(join(root, name))) cpSync(join(root, name), join(folder, name), { recursive: true })
  }
  return { release, command: [process.execPath, join(folder, 'bin/shoal.ts')] }
}
