/** A real PostgreSQL server of a test's own, as safe as a real one: on a free port of this machine, with fsync on. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { freePort } from './test-nats.ts'

/** PostgreSQL refuses to run as root; then it runs as this user, `nobody`. */
const NOBODY = 65_534
const SYSTEM_FOLDER = '/usr/lib/postgresql'
const RESTARTS_MAX = 50
const RESTART_PAUSE_MS = 100

const binaries = findBinaries()
const isRoot = process.getuid?.() === 0

/** Why such tests are skipped here, or `false`. */
export const postgresMissing: string | false =
  binaries === null && 'PostgreSQL is not installed (on Debian: apt-get install postgresql)'

/** True where there is no PostgreSQL: the tests of `name` are then one that is skipped, with the reason. */
export function skipWithoutPostgres(name: string): boolean {
  if (postgresMissing) test(name, { skip: postgresMissing })
  return postgresMissing !== false
}

export interface TestPostgres {
  /** A database of this server, for its owner. */
  readonly url: string
  readonly port: number
  /** Holds `data`; belongs to the user whom the server runs as. */
  readonly folder: string
  /** The postmaster. */
  pid(): number
  /** Makes an empty database and tells its address. */
  createDatabase(): string
  /** Runs SQL with `psql` and tells what it printed: values only, columns parted by `|`. */
  sql(text: string, url?: string): string
  /** Runs one of PostgreSQL's own programs as the server's user; throws with its errors unless it ends well. */
  program(name: string, args: readonly string[]): string
  /** Ends the postmaster at once, as a crash does; in order with `SIGINT`. */
  kill(signal?: 'SIGKILL' | 'SIGQUIT' | 'SIGINT'): Promise<void>
  /** Starts it again, on the same port, with other settings if given. */
  start(settings?: Readonly<Record<string, string>>): Promise<void>
  /** Ends it and removes all it had. */
  dispose(): Promise<void>
}

export interface TestPostgresOptions {
  readonly settings?: Readonly<Record<string, string>>
  /** Of a data folder that is there already, such as a restored backup; made anew without one. */
  readonly folder?: string
}

/** Makes and starts a server, which takes a second. Whoever starts one disposes it. */
export async function startPostgres(options: TestPostgresOptions = {}): Promise<TestPostgres> {
  const folder = options.folder ?? makeFolder('shoal-postgres-')
  const port = await freePort()
  const url = `postgres://shoal@127.0.0.1:${port}/postgres`
  const data = join(folder, 'data')
  if (!existsSync(data)) {
    program('initdb', ['-D', data, '-U', 'shoal', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'])
  }
  let child = await startServer(folder, port, options.settings)
  let databases = 0
  /** The server's other processes. They end with the postmaster, but for one that waits for a full disk. */
  const helpers = new Set<number>()
  // Whatever ends this process, the server must not outlive it.
  const end = (): void => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
  const stop = (): never => process.exit(1)
  process.once('exit', end)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop)

  const server: TestPostgres = {
    url,
    port,
    folder,
    pid: () => child.pid ?? 0,
    createDatabase() {
      const name = `test_${++databases}`
      server.sql(`create database ${name}`)
      return url.replace(/postgres$/, name)
    },
    sql: (text, at = url) => program('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', at, '-c', text]),
    program,
    async kill(signal = 'SIGKILL') {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      for (const pid of childrenOf(child.pid ?? 0)) helpers.add(pid)
      child.kill(signal)
      await ended
    },
    async start(settings = options.settings) {
      child = await startServer(folder, port, settings)
    },
    async dispose() {
      // Waits for the server's other processes, and for no disk.
      await server.kill('SIGQUIT')
      for (const pid of helpers) killServerProcess(pid)
      end()
      process.removeListener('exit', end)
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.removeListener(signal, stop)
    },
  }
  return server
}

/** As `startPostgres`, until the test is over. */
export async function postgresFor(
  t: Pick<TestContext, 'after'>,
  options?: TestPostgresOptions,
): Promise<TestPostgres> {
  const server = await startPostgres(options)
  t.after(() => server.dispose())
  return server
}

/** A new folder that the server's user may write. */
export function makeFolder(prefix: string): string {
  const folder = mkdtempSync(join(tmpdir(), prefix))
  if (isRoot) chownSync(folder, NOBODY, NOBODY)
  return folder
}

function findBinaries(): string | null {
  const versions = existsSync(SYSTEM_FOLDER)
    ? readdirSync(SYSTEM_FOLDER).map(Number).filter(Number.isInteger)
    : []
  const installed = versions.sort((a, b) => b - a).map((version) => join(SYSTEM_FOLDER, `${version}`, 'bin'))
  const onPath = (process.env['PATH'] ?? '').split(':')
  return (
    [...installed, ...onPath].find((folder) => folder !== '' && existsSync(join(folder, 'initdb'))) ?? null
  )
}

const asServer = isRoot ? { uid: NOBODY, gid: NOBODY } : {}

function program(name: string, args: readonly string[]): string {
  if (binaries === null) throw new Error(String(postgresMissing))
  const { status, stdout, stderr } = spawnSync(join(binaries, name), args, {
    ...asServer,
    cwd: tmpdir(),
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}`)
  return stdout.trimEnd()
}

async function startServer(
  folder: string,
  port: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<ChildProcess> {
  for (let tries = 0; ; tries++) {
    const started = await tryToStart(folder, port, settings)
    if (typeof started !== 'string') return started
    // After a crash the last backends of the old server take a moment to notice.
    if (!/shared memory block|lock file/.test(started) || tries === RESTARTS_MAX) {
      throw new Error(`postgres ended: ${started}`)
    }
    await new Promise((resolve) => setTimeout(resolve, RESTART_PAUSE_MS))
  }
}

/** The server, or what it said before it ended. */
function tryToStart(
  folder: string,
  port: number,
  settings: Readonly<Record<string, string>>,
): Promise<ChildProcess | string> {
  const all = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: folder,
    port: String(port),
    shared_buffers: '32MB',
    max_connections: '60',
    ...settings,
  }
  const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const child = spawn(join(binaries ?? '', 'postgres'), ['-D', join(folder, 'data'), ...flags], {
    ...asServer,
    cwd: tmpdir(),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  return new Promise((resolve) => {
    let said = ''
    child.stderr.on('data', (bytes) => {
      if (said.includes(READY)) return
      said += bytes
      if (said.includes(READY)) resolve(child)
    })
    child.once('exit', () => resolve(said))
  })
}

function childrenOf(pid: number): number[] {
  const path = `/proc/${pid}/task/${pid}/children`
  return existsSync(path) ? readFileSync(path, 'utf8').split(' ').filter(Boolean).map(Number) : []
}

function killServerProcess(pid: number): void {
  try {
    if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('postgres')) process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

const READY = 'database system is ready to accept'
