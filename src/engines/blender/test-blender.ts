/** For tests and benchmarks: real Blenders, and scenes made by a script of ours. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { nodeClock } from '#host/node/node-clock.ts'
import { nodeInflate } from '#host/node/node-inflate.ts'
import { createNodeMachine } from '#host/node/node-machine.ts'
import { createNodePrograms } from '#host/node/node-programs.ts'
import { nodeTaskFiles } from '#host/node/node-task-files.ts'
import type { Picture } from '#images/picture.ts'
import { readPicture } from '#images/read-picture.ts'
import type { TaskEngine, TaskOutput, TaskSession } from '../task-engine.ts'
import { type BlenderOptions, createBlenderEngine } from './blender-engine.ts'

export type SceneKind = 'diffuse' | 'glossy' | 'textured' | 'noisy'
export const sceneKinds: readonly SceneKind[] = ['diffuse', 'glossy', 'textured', 'noisy']

const maker = join(import.meta.dirname, '../../../test/scenes/make_scene.py')

/** Why there can be no Blender in a sandbox here; `false` when there can. */
export function blenderMissing(): string | false {
  const missing = [
    ['blender', '--version'],
    ['bwrap', '--version'],
  ].filter(([program = '', ...args]) => spawnSync(program, args).status !== 0)
  return missing.length > 0 && `no ${missing.map(([program]) => program).join(', no ')}`
}

/** A folder below the system's temporary one; gone at `Symbol.dispose`. */
export function makeFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'shoal-blender-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** Makes `file` by Blender and answers its folder. Values are those of `make_scene.py`. */
export function makeScene(
  file: string,
  kind: SceneKind,
  values: Readonly<Record<string, string | number>> = {},
): string {
  mkdirSync(dirname(file), { recursive: true })
  const pairs = Object.entries(values).map(([name, value]) => `${name}=${value}`)
  const args = ['-b', '--factory-startup', '-noaudio', '--python-exit-code', '9', '--python', maker]
  const made = spawnSync('blender', [...args, '--', kind, file, ...pairs], { encoding: 'utf8' })
  if (made.status !== 0) throw new Error(`Blender made no scene: ${made.stdout}${made.stderr}`)
  return dirname(file)
}

export interface TestEngineOptions extends Partial<BlenderOptions> {
  readonly scratchFolder: string
  /** In the environment of a Blender without a sandbox. */
  readonly env?: Readonly<Record<string, string>>
  /** Hears the id of each process that is started. */
  readonly onStart?: (pid: number | null) => void
}

export function openEngine({ env, onStart, ...options }: TestEngineOptions): TaskEngine {
  const programs = createNodePrograms()
  const program = env === undefined ? 'blender' : makeWrapper(options.scratchFolder, env)
  return createBlenderEngine(
    {
      program,
      sandbox: env === undefined ? 'bubblewrap' : 'none',
      threads: 1,
      memoryBytesMax: 2 * 2 ** 30,
      allowsScripts: false,
      ...options,
    },
    {
      programs: {
        start(command, handlers) {
          const started = programs.start(command, handlers)
          onStart?.(started.pid)
          return started
        },
      },
      files: nodeTaskFiles,
      inflate: nodeInflate,
      machine: createNodeMachine(),
      clock: nodeClock,
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      secrets: { randomBytes: (length) => randomBytes(length) },
    },
  )
}

function makeWrapper(folder: string, env: Readonly<Record<string, string>>): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `blender-${Object.keys(env).join('-')}`)
  const exports = Object.entries(env).map(([name, value]) => `export ${name}=${value}`)
  writeFileSync(path, ['#!/bin/sh', ...exports, 'exec blender "$@"', ''].join('\n'))
  chmodSync(path, 0o755)
  return path
}

/** Runs a task that nothing interrupts. */
export const runTask = (
  session: TaskSession,
  params: Readonly<Record<string, unknown>>,
  outFolder: string,
): Promise<TaskOutput> => {
  mkdirSync(outFolder, { recursive: true })
  return session.run({ params, outFolder }, () => undefined, new AbortController().signal)
}

export const openPicture = (path: string): Picture => readPicture(readFileSync(path), nodeInflate)
