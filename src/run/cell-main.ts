/** The cell's own process, child of `shoal up`: runs until it is told to stop or its parent is gone. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileDurablySync } from '#host/node/durable-file.ts'
import { openNodeHost } from '#host/node/open-node-host.ts'
import { openPgliteStore } from '#host/node/pglite-store.ts'
import { toProblem } from '#protocol/problem.ts'
import { type Cell, credentialsFile, type KeptCredentials, type KeptKeys, openCell } from './cell.ts'
import { CellConfig, type CellMessage, type CellOrder } from './cell-config.ts'

/** What runs may take this long to end when the network stops in order. */
const CLOSE_GRACE_MS = 10_000

process.title = 'shoal coordinator'
const config = CellConfig.parse(JSON.parse(process.argv[2] ?? '{}'))
const send = (message: CellMessage): void => {
  if (process.connected) process.send?.(message)
}

function die(error: unknown): never {
  const problem = toProblem(error)
  send({ type: 'failed', code: problem.code, message: problem.message })
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(1)
}

function readKeys(): KeptKeys | null {
  const path = credentialsFile(config.dataFolder)
  if (!existsSync(path)) return null
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as KeptKeys
  } catch {
    return null // A damaged file is replaced: its keys go on working for whoever kept them.
  }
}

async function main(): Promise<void> {
  const host = openNodeHost({ folder: config.dataFolder, logName: 'network', logLevel: config.logLevel })
  const { log } = host
  const fatal = (error: unknown): never => {
    log.error('process.fatal', {
      message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    })
    return die(error)
  }
  // Memory may be ahead of the journal, or simply wrong: a replay is the only safe way back.
  process.on('uncaughtException', fatal)
  process.on('unhandledRejection', fatal)
  const cell = await openCell(
    {
      host,
      processId: process.pid,
      openStore: () =>
        openPgliteStore({ folder: join(config.dataFolder, 'read-models'), owner: 'shoal up', log }),
      credentials: {
        read: readKeys,
        write(kept: KeptCredentials) {
          writeFileDurablySync(
            credentialsFile(config.dataFolder),
            `${JSON.stringify(kept, null, 2)}\n`,
            0o600,
          )
        },
      },
      onFatal: (problem) => fatal(problem),
      onBug: (error) => fatal(error),
    },
    config,
  )
  listenToParent(cell)
  const { apiUrl, openaiBaseUrl, apiKey, operatorKey, port } = cell
  log.info('network.ready', { apiUrl })
  send({ type: 'ready', apiUrl, openaiBaseUrl, apiKey, operatorKey, port })
}

function listenToParent(cell: Cell): void {
  let isClosing = false
  const close = (graceMs: number): void => {
    if (isClosing) return
    isClosing = true
    cell.close(graceMs).then(() => process.exit(0), die)
  }
  process.on('message', (order: CellOrder) => {
    if (order.type === 'stop') close(CLOSE_GRACE_MS)
    else cell.enrolmentToken().then((token) => send({ type: 'token', token }), die)
  })
  // The terminal sends Ctrl-C to all processes at once; the parent decides what it means.
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', () => close(CLOSE_GRACE_MS))
  process.on('disconnect', () => close(0))
}

main().catch(die)
