import { type ExecFileException, execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { access, constants, stat, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import os from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CommandResult, FolderState, Machine, MachineFacts, RunOptions } from '../machine.ts'
import { meanWatts, readCounters } from '../rapl.ts'

const OUTPUT_BYTES_MAX = 4 * 1024 * 1024
const FILE_CHARS_MAX = 1024 * 1024
const POWER_SAMPLE_MS = 250
const MIB = 2 ** 20

/** The real machine. `systemFolder` is where Linux shows its devices; tests show another one. */
export function createNodeMachine(systemFolder = '/sys'): Machine {
  return {
    facts: readFacts,
    run,
    readFile,
    listFolder,
    diskFreeMib,
    folderState,
    portState,
    cpuPowerWatts: () => readCpuPower(join(systemFolder, 'class/powercap')),
  }
}

function readFacts(): MachineFacts {
  const limit = process.constrainedMemory()
  const memory = limit > 0 ? Math.min(limit, os.totalmem()) : os.totalmem()
  return {
    cpuModel: os.cpus()[0]?.model.trim() || 'unknown',
    cores: os.availableParallelism(),
    memoryMib: Math.floor(memory / MIB),
    freeMemoryMib: Math.floor(Math.min(process.availableMemory(), memory) / MIB),
    platform: process.platform,
    arch: process.arch,
    osName: /^PRETTY_NAME="?([^"\n]+)"?$/m.exec(readFile('/etc/os-release') ?? '')?.[1] ?? os.version(),
    nodeVersion: process.versions.node,
    nodePath: process.execPath,
  }
}

/** How long after its end was forced a command may still take to end before nobody waits for it any more. */
const KILL_GRACE_MS = 1_000

function run(command: string, args: readonly string[], options: RunOptions): Promise<CommandResult> {
  return new Promise((done) => {
    const settings = {
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
      maxBuffer: OUTPUT_BYTES_MAX,
      windowsHide: true,
      cwd: options.folder ?? process.cwd(),
      // Vendors translate their tools' messages; ours are matched in English.
      env: { ...process.env, LC_ALL: 'C' },
    } as const
    const child = execFile(command, [...args], settings, (error, stdout, stderr) => {
      clearTimeout(surrender)
      done(error === null ? { code: 0, stdout, stderr } : toResult(error, { stdout, stderr }))
    })
    // A tool stuck inside a hung driver cannot even be killed.
    const surrender = setTimeout(() => {
      child.unref()
      done('timed_out')
    }, options.timeoutMs + KILL_GRACE_MS)
  })
}

function toResult(error: ExecFileException, output: { stdout: string; stderr: string }): CommandResult {
  if (error.code === 'ENOENT' || error.code === 'EACCES') return 'not_found'
  // `killed` is also said of output beyond the maximum, which has a code of its own.
  if (error.killed && typeof error.code !== 'string') return 'timed_out'
  const signal = error.signal ? (os.constants.signals[error.signal] ?? 0) : 0
  return { code: typeof error.code === 'number' ? error.code : 128 + signal, ...output }
}

function readFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').slice(0, FILE_CHARS_MAX)
  } catch {
    return null
  }
}

function listFolder(path: string): readonly string[] {
  try {
    return readdirSync(path).toSorted()
  } catch {
    return []
  }
}

async function diskFreeMib(path: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(await nearestExisting(path))
    return Math.floor((bavail * bsize) / MIB)
  } catch {
    return null
  }
}

async function folderState(folder: string): Promise<FolderState> {
  try {
    const existing = await nearestExisting(folder)
    if (!(await stat(existing)).isDirectory()) return { isWritable: false, reason: 'not_a_folder' }
    await access(existing, constants.W_OK | constants.X_OK)
    return { isWritable: true }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EROFS') return { isWritable: false, reason: 'read_only' }
    if (code === 'EACCES' || code === 'EPERM') return { isWritable: false, reason: 'no_permission' }
    return { isWritable: false, reason: code === 'ENOTDIR' ? 'not_a_folder' : 'failed' }
  }
}

/** `path`, or the nearest folder above it that is there: what will be made in it ends up on that disk. */
async function nearestExisting(path: string): Promise<string> {
  for (let at = resolve(path); ; at = dirname(at)) {
    const isThere = await stat(at).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return false
        throw error
      },
    )
    if (isThere || at === dirname(at)) return at
  }
}

function portState(port: number): Promise<'free' | 'taken' | 'forbidden'> {
  return new Promise((done) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) =>
      done(error.code === 'EACCES' ? 'forbidden' : 'taken'),
    )
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => done('free')))
  })
}

const files = { readFile, listFolder }

async function readCpuPower(folder: string): Promise<number | null> {
  const before = readCounters(files, folder)
  if (before.size === 0) return null
  const startedAt = performance.now()
  await sleep(POWER_SAMPLE_MS)
  return meanWatts(before, readCounters(files, folder), performance.now() - startedAt)
}
