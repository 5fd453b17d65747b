/** The engines for tasks that this machine can run, each with what it is called for people. */
import { join } from 'node:path'
import { createBlenderEngine } from '#engines/blender/blender-engine.ts'
import { createCommandEngine } from '#engines/command/command-engine.ts'
import { createFfmpegEngine } from '#engines/ffmpeg/ffmpeg-engine.ts'
import type { TaskEngine } from '#engines/task-engine.ts'
import type { Host } from '#host/host.ts'
import type { Machine } from '#host/machine.ts'
import { nodeInflate } from '#host/node/node-inflate.ts'
import { createNodePrograms } from '#host/node/node-programs.ts'
import { nodeTaskFiles } from '#host/node/node-task-files.ts'
import type { TaskPrograms } from '#host/probe-task-programs.ts'
import type { TaskKind } from '#protocol/task.ts'
import { placeOfBlender } from './program-place.ts'
import type { TasksConfig } from './tasks-config.ts'

export interface OfferedEngine {
  readonly engine: TaskEngine & { readonly kind: TaskKind }
  /** `Blender 3.4.1, CPU`. */
  readonly label: string
}

export const BLENDER = 'blender'
/** Of the machine's memory, what all of a task's processes may use. */
const MEMORY_SHARE = 0.8

/** What a task may use here, and so what the node says that it has: a larger one would be ended. */
export const taskMemoryMib = (machine: Pick<Machine, 'facts'>): number =>
  Math.floor(machine.facts().memoryMib * MEMORY_SHARE)

export function taskEngines(
  config: TasksConfig,
  found: TaskPrograms,
  parts: { readonly host: Host; readonly machine: Machine; readonly folder: string },
): readonly OfferedEngine[] {
  if (found.sandboxMissing !== null) return []
  const { host, machine, folder } = parts
  const { clock, log, secrets } = host
  const { threads } = config
  const memoryBytesMax = taskMemoryMib(machine) * 2 ** 20
  const scratchFolder = join(folder, 'scratch')
  const ports = { programs: createNodePrograms(), files: nodeTaskFiles, clock, secrets }
  const common = { scratchFolder, memoryBytesMax }
  const offered: OfferedEngine[] = []
  const offer = (kind: TaskKind, engine: TaskEngine, label: string): void =>
    void offered.push({ engine: { kind, open: (input) => engine.open(input) }, label })
  if (found.blender !== null) {
    const options = {
      ...common,
      ...placeOfBlender(BLENDER),
      sandbox: 'bubblewrap',
      threads,
      // A scene with scripts is a program that the job brings along.
      allowsScripts: config.takesCommands,
    } as const
    const engine = createBlenderEngine(options, { ...ports, inflate: nodeInflate, machine, log })
    offer('blender', engine, `Blender ${found.blender}, ${config.device}`)
  }
  if (config.onlyAudits) return offered
  if (found.ffmpeg !== null)
    offer(
      'ffmpeg',
      createFfmpegEngine({ ...common, program: 'ffmpeg', threads }, ports),
      `ffmpeg ${found.ffmpeg}`,
    )
  if (config.takesCommands)
    offer('command', createCommandEngine(common, ports), 'programs of jobs, in a sandbox')
  return offered
}
