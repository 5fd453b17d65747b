/**
 * Control groups of Linux, versions 1 and 2: limits on memory and processes that hold for a program and all that it
 * starts together. Where this process may not make groups there are none, and weaker limits have to do.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isBelow } from './process-usage.ts'

export interface ControlGroup {
  /** Files that a process writes its id to, to be in the group. */
  readonly entries: readonly string[]
  readonly limits: readonly ('memory' | 'processes')[]
  /** Whether processes were ended because memory ran out. */
  ranOutOfMemory(): boolean
  /** Removes it. A group that still has processes stays, for the next start to remove. */
  remove(): void
}

interface Limits {
  readonly memoryBytes: number | null
  readonly processes: number | null
}

const PREFIX = 'shoal-'
/** Where this process itself is, beside the groups that it makes. */
const OWN = `${PREFIX}agent`
let made = 0

/** A group with these limits, as far as they can be had; `null` where none can. */
export function makeControlGroup(limits: Limits): ControlGroup | null {
  const name = `${PREFIX}${process.pid}-${++made}`
  const folders = controllerFolders()
  const memory = limits.memoryBytes === null ? null : limitMemory(folders, name, limits.memoryBytes)
  const processes = limits.processes === null ? null : limitProcesses(folders, name, limits.processes)
  const made_ = [...new Set([memory, processes].filter((folder) => folder !== null))]
  if (made_.length === 0) return null
  return {
    entries: made_.map((folder) => join(folder, 'cgroup.procs')),
    limits: [
      ...(memory === null ? [] : (['memory'] as const)),
      ...(processes === null ? [] : (['processes'] as const)),
    ],
    ranOutOfMemory: () => memory !== null && oomKills(memory) > 0,
    remove: () => {
      for (const folder of made_) tryTo(() => rmdirSync(folder))
    },
  }
}

/**
 * Makes room for groups below the one that this process was started in, as far as it may: version 2 limits none below a
 * group that has processes of its own. Harmless when repeated.
 */
export function prepareGroups(): void {
  const { unified } = controllerFolders()
  if (unified !== undefined) openControllers(unified)
}

/** `base` is a group of version 2. Where somebody else's process is in it all stays as it is: that is not ours to move. */
export function openControllers(base: string): void {
  const read = (file: string): readonly string[] =>
    (tryTo(() => readFileSync(join(base, file), 'utf8')) ?? '').split(/\s+/).filter((word) => word !== '')
  const [offered, open] = [read('cgroup.controllers'), read('cgroup.subtree_control')]
  const missing = ['memory', 'pids'].filter((name) => offered.includes(name) && !open.includes(name))
  const inside = read('cgroup.procs').map(Number)
  if (missing.length === 0 || !inside.every((pid) => isBelow(pid, process.pid))) return
  const own = join(base, OWN)
  tryTo(() => mkdirSync(own, { recursive: true }))
  for (const pid of inside) tryTo(() => write(join(own, 'cgroup.procs'), String(pid)))
  for (const name of missing) tryTo(() => write(join(base, 'cgroup.subtree_control'), `+${name}`))
}

/** Removes groups whose makers are gone. */
export function removeStaleGroups(): void {
  for (const folder of new Set(Object.values(controllerFolders()))) {
    for (const name of tryTo(() => readdirSync(folder)) ?? []) {
      const pid = new RegExp(`^${PREFIX}(\\d+)-\\d+$`).exec(name)?.[1]
      if (pid !== undefined && !isAlive(Number(pid))) tryTo(() => rmdirSync(join(folder, name)))
    }
  }
}

interface Folders {
  /** Where groups below this process's own can be made, by controller. */
  readonly memory?: string
  readonly pids?: string
  readonly unified?: string
}

function controllerFolders(): Folders {
  const mounts = (tryTo(() => readFileSync('/proc/self/mountinfo', 'utf8')) ?? '').split('\n')
  const own = (tryTo(() => readFileSync('/proc/self/cgroup', 'utf8')) ?? '').split('\n')
  const pathOf = (controller: string): string =>
    own.find((line) => line.split(':')[1]?.split(',').includes(controller))?.split(':')[2] ?? '/'
  const folders: { memory?: string; pids?: string; unified?: string } = {}
  for (const mount of mounts) {
    const [left = '', right = ''] = mount.split(' - ')
    const at = left.split(' ')[4] ?? ''
    const [type, , options = ''] = right.split(' ')
    if (type === 'cgroup2') {
      const path = pathOf('')
      folders.unified = join(at, basename(path) === OWN ? dirname(path) : path)
    } else if (type === 'cgroup') {
      const controllers = options.split(',')
      if (controllers.includes('memory')) folders.memory = join(at, pathOf('memory'))
      if (controllers.includes('pids')) folders.pids = join(at, pathOf('pids'))
    }
  }
  return folders
}

function limitMemory(folders: Folders, name: string, bytes: number): string | null {
  const { memory } = folders
  if (memory === undefined) {
    const folder = limitIn(folders.unified, name, { 'memory.max': bytes })
    // Without swap the file is missing.
    if (folder !== null) tryTo(() => write(join(folder, 'memory.swap.max'), '0'))
    return folder
  }
  const folder = limitIn(memory, name, { 'memory.limit_in_bytes': bytes })
  // Without accounting of swap this file is missing, and then there is mostly no swap either.
  if (folder !== null) tryTo(() => writeFileSync(join(folder, 'memory.memsw.limit_in_bytes'), String(bytes)))
  return folder
}

const limitProcesses = (folders: Folders, name: string, count: number): string | null =>
  limitIn(folders.pids ?? folders.unified, name, { 'pids.max': count })

function limitIn(
  parent: string | undefined,
  name: string,
  values: Readonly<Record<string, number>>,
): string | null {
  if (parent === undefined) return null
  const folder = join(parent, name)
  const isNew = !existsSync(folder)
  const isDone = tryTo(() => {
    mkdirSync(folder, { recursive: true })
    for (const [file, value] of Object.entries(values)) write(join(folder, file), String(value))
    return true
  })
  if (isDone) return folder
  // In version 2 it is that of the other limit as well.
  if (isNew) tryTo(() => rmdirSync(folder))
  return null
}

/** Opened without creating: in a group without that controller the file is not there. */
const write = (path: string, text: string): void => writeFileSync(path, text, { flag: 'r+' })

/** Of `memory.events` (version 2) or `memory.oom_control` (version 1). */
function oomKills(folder: string): number {
  for (const file of ['memory.events', 'memory.oom_control']) {
    const text = tryTo(() => readFileSync(join(folder, file), 'utf8'))
    const count = /^oom_kill (\d+)/m.exec(text ?? '')?.[1]
    if (count !== undefined) return Number(count)
  }
  return 0
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** `null` where the system refuses: no group is a case like any other. */
function tryTo<T>(act: () => T): T | null {
  try {
    return act()
  } catch {
    return null
  }
}
