/** Machines of their own, as far as the network goes: namespaces on one bridge, each with a cable that can be pulled. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Namespaces {
  /** Of this machine, on the bridge. */
  readonly address: string
  /** A machine that resolves `hosts` (name to address). Its programs run with `command` before them. */
  add(hosts: Readonly<Record<string, string>>): Namespace
  dispose(): void
}
export interface Namespace {
  readonly address: string
  readonly command: readonly string[]
  setCable(isPlugged: boolean): void
}

const HOSTS_FOLDER = '/etc/netns'

/** Opens the bridge; or says why that is not possible here. Whoever opens it disposes of it. */
export function openNamespaces(): Namespaces | string {
  if (process.getuid?.() !== 0) return 'only root makes network namespaces'
  const tag = `s${process.pid.toString(36)}`
  const net = `10.${180 + (process.pid % 60)}.${Math.floor(process.pid / 60) % 250}`
  const bridge = `${tag}br`
  const undo: (() => void)[] = []
  const made = attempt(['link', 'add', bridge, 'type', 'bridge'])
  if (made !== null) return `a bridge cannot be made here (${made})`
  undo.push(() => attempt(['link', 'del', bridge]))
  const dispose = (): void => {
    for (const run of undo.splice(0).reverse()) run()
    process.off('exit', dispose)
  }
  process.on('exit', dispose)
  try {
    ip(['addr', 'add', `${net}.1/24`, 'dev', bridge])
    ip(['link', 'set', bridge, 'up'])
    // The first one shows whether this system lets namespaces be made at all.
    ip(['netns', 'add', `${tag}0`])
    ip(['netns', 'del', `${tag}0`])
  } catch (error) {
    dispose()
    return `network namespaces cannot be made here (${error instanceof Error ? error.message : error})`
  }
  let count = 0
  return {
    address: `${net}.1`,
    add(hosts) {
      const name = `${tag}${++count}`
      const [outer, inner] = [`${name}o`, `${name}i`]
      const address = `${net}.${count + 1}`
      ip(['netns', 'add', name])
      undo.push(() => attempt(['netns', 'del', name]))
      ip(['link', 'add', outer, 'type', 'veth', 'peer', 'name', inner])
      undo.push(() => attempt(['link', 'del', outer]))
      ip(['link', 'set', outer, 'master', bridge, 'up'])
      ip(['link', 'set', inner, 'netns', name])
      ip(['-n', name, 'addr', 'add', `${address}/24`, 'dev', inner])
      ip(['-n', name, 'link', 'set', inner, 'up'])
      ip(['-n', name, 'link', 'set', 'lo', 'up'])
      undo.push(writeHosts(name, { localhost: '127.0.0.1', ...hosts }))
      return {
        address,
        command: ['ip', 'netns', 'exec', name],
        setCable: (isPlugged) => ip(['link', 'set', outer, isPlugged ? 'up' : 'down']),
      }
    },
    dispose,
  }
}

/** `ip netns exec` shows the files of this folder as those of /etc. Returns what removes them. */
function writeHosts(name: string, hosts: Readonly<Record<string, string>>): () => void {
  const isNew = !existsSync(HOSTS_FOLDER)
  const folder = join(HOSTS_FOLDER, name)
  mkdirSync(folder, { recursive: true })
  const lines = Object.entries(hosts).map(([host, address]) => `${address} ${host}\n`)
  writeFileSync(join(folder, 'hosts'), lines.join(''))
  return () => {
    rmSync(folder, { recursive: true, force: true })
    if (isNew) rmSync(HOSTS_FOLDER, { recursive: true, force: true })
  }
}

function ip(args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

/** Null when it went well, else what `ip` said. */
function attempt(args: readonly string[]): string | null {
  try {
    ip(args)
    return null
  } catch (error) {
    return error instanceof Error ? (error.message.split('\n')[1] ?? error.message) : String(error)
  }
}
