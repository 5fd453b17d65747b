/**
 * The folder of an embedded database whose engine never syncs. Its content is derived data, so the rule is simple:
 * what may have been harmed is set aside and made again.
 *
 *   state.json says   and then                                the data is
 *   nothing           there is data all the same              set aside: nobody vouches for it
 *   creating          the process died while making it        removed
 *   open              on this boot: the process died          used: the system kept every write
 *   open              the machine has booted since            set aside: writes were lost in any order
 *   closed            every file was synced before            used
 *
 * At most one set-aside copy is kept, so that a folder that breaks again and again does not fill the disk.
 */
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { uptime } from 'node:os'
import { join } from 'node:path'
import { syncFolderAsync, writeFileDurablySync } from './durable-file.ts'

export interface PgliteFolder {
  /** Where the engine keeps its files. */
  readonly data: string
  /** What makes the present data unfit for use, or `null` when there is none or it can be opened. */
  readonly harm: 'unfinished' | 'unknown_state' | 'machine_restarted' | null
  /** Says, durably, that the data is being made or in use from here on. */
  mark(state: 'creating' | 'open'): void
  /** Syncs every file of the data, which the engine has closed, then says so. */
  markClosed(): Promise<void>
  /** Moves the data out of the way, in place of what was set aside before. Resolves to where it is now. */
  setAside(): string
  /** Forgets the data, for another try at making it. */
  remove(): void
  /** Undoes `setAside`. */
  restore(): void
}

type State = 'creating' | 'open' | 'closed'

/** Looks at `folder`, which the caller has locked. */
export function openPgliteFolder(folder: string): PgliteFolder {
  const data = join(folder, 'data')
  const aside = join(folder, 'data.set-aside')
  const statePath = join(folder, 'state.json')
  const boot = bootId()
  const write = (state: State): void =>
    writeFileDurablySync(statePath, JSON.stringify({ state, bootId: boot }), 0o666)

  return {
    data,
    harm: existsSync(data) ? harmOf(readState(statePath), boot) : null,
    mark: write,
    async markClosed() {
      await syncTree(data)
      write('closed')
    },
    setAside() {
      rmSync(aside, { recursive: true, force: true })
      renameSync(data, aside)
      return aside
    },
    remove: () => rmSync(data, { recursive: true, force: true }),
    restore() {
      rmSync(data, { recursive: true, force: true })
      renameSync(aside, data)
    },
  }
}

function harmOf(found: { state: State; bootId: string } | null, boot: string): PgliteFolder['harm'] {
  if (!found) return 'unknown_state'
  if (found.state === 'creating') return 'unfinished'
  return found.state === 'open' && found.bootId !== boot ? 'machine_restarted' : null
}

function readState(path: string): { state: State; bootId: string } | null {
  try {
    const { state, bootId } = JSON.parse(readFileSync(path, 'utf8'))
    const isState = ['creating', 'open', 'closed'].includes(state) && typeof bootId === 'string'
    return isState ? { state, bootId } : null
  } catch {
    return null // Missing, torn or foreign: the same answer, nobody vouches for the data.
  }
}

const BOOT_TIME_STEP_MS = 10_000

/**
 * Differs after each start of the machine. Where the kernel gives no id, the time of the start stands for it, coarse
 * because clocks are set; a change without a restart only costs a rebuild.
 */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return `started:${Math.round((Date.now() - uptime() * 1000) / BOOT_TIME_STEP_MS)}`
  }
}

/** A thousand files: one after the other takes seconds, 16 at a time a fraction of one. */
const SYNCS_AT_ONCE = 16

async function syncTree(folder: string): Promise<void> {
  const files: string[] = []
  const folders: string[] = [folder]
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isDirectory()) folders.push(path)
    else if (entry.isFile()) files.push(path)
  }
  const lane = async (): Promise<void> => {
    for (let path = files.pop(); path !== undefined; path = files.pop()) await syncFile(path)
  }
  await Promise.all(Array.from({ length: SYNCS_AT_ONCE }, lane))
  for (const path of folders) await syncFolderAsync(path)
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
