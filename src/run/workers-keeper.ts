/**
 * Keeps the processes of one gateway: one, or several that share a port. The first is the gateway as it is alone, with
 * the folder's own spool, files and identity; each further one has a folder and an identity of its own below it, and
 * is to the coordinator a gateway like any other.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Children } from '#engines/child.ts'
import type { Clock } from '#host/host.ts'
import { Problem } from '#protocol/problem.ts'
import type { CellConfig } from './cell-config.ts'
import { type CellKeeper, type CellKeeperHooks, keepCell, type Ready } from './cell-keeper.ts'
import { makeOwnFolder } from './own-folder.ts'

/** More processes than any machine has cores for them. */
export const WORKERS_MAX = 64

type Hooks = Pick<CellKeeperHooks, 'onReady' | 'onStandby' | 'onRestart' | 'onFailed' | 'onToken'>

/** `hooks.onReady` is told once all of them serve, and when the first serves again. */
export function keepWorkers(
  parts: { readonly children: Children; readonly clock: Clock; readonly module: URL },
  wanted: Omit<CellConfig, 'predecessor' | 'worker'>,
  count: number,
  hooks: Hooks,
): Pick<CellKeeper, 'stop' | 'kill'> {
  if (count === 1 && !hasFurtherFolders(wanted.dataFolder)) return keepCell(parts, wanted, hooks)
  if (process.platform !== 'linux') {
    throw new Problem(
      'config_invalid',
      `--workers ${count} needs Linux, where several processes can listen on one port. Leave it out, or run several gateways behind a proxy.`,
    )
  }
  const { dataFolder, listen } = wanted
  const group = crypto.randomUUID()
  const keepers: CellKeeper[] = []
  const ready = new Map<number, Ready>()
  let isStopping = false
  let isTold = false

  function keep(index: number, port: number): void {
    const folder = index === 0 ? dataFolder : folderOf(dataFolder, index)
    if (index > 0) makeOwnFolder(folder)
    const config = {
      ...wanted,
      dataFolder: folder,
      secretsFolder: wanted.secretsFolder ?? join(dataFolder, 'secrets'),
      listen: { ...listen, port, isShared: true },
      worker: { group, index, count },
    }
    const keeper = keepCell(parts, config, {
      ...hooks,
      onReady: (message) => onReady(index, message),
    })
    keepers.push(keeper)
  }

  function onReady(index: number, message: Ready): void {
    ready.set(index, message)
    // The port that the first was given is everybody's.
    if (index === 0 && keepers.length === 1 && !isStopping)
      for (let next = 1; next < total; next++) keep(next, message.port)
    const first = ready.get(0)
    if (!first || ready.size < total || (isTold && index !== 0)) return
    isTold = true
    hooks.onReady(first)
  }

  // One that is no longer wanted may still have to hand in what it metered.
  const total = Math.max(count, 1 + furtherFolders(dataFolder))
  keep(0, listen.port)
  return {
    async stop() {
      isStopping = true
      await Promise.all(keepers.map((keeper) => keeper.stop()))
    },
    kill() {
      isStopping = true
      for (const keeper of keepers) keeper.kill()
    },
  }
}

const WORKERS = 'workers'
const folderOf = (dataFolder: string, index: number): string => join(dataFolder, WORKERS, String(index))

/** How many further workers have ever run in this folder. */
function furtherFolders(dataFolder: string): number {
  const folder = join(dataFolder, WORKERS)
  const numbers = existsSync(folder) ? readdirSync(folder).map(Number).filter(Number.isInteger) : []
  return Math.max(0, ...numbers)
}

const hasFurtherFolders = (dataFolder: string): boolean => furtherFolders(dataFolder) > 0
