/**
 * The cell's own process, child of `shoal up`. Loads its code, waits to be told to start (at once, or as the spare of
 * a cell that died), and runs until it is told to stop or its parent is gone.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileDurablySync } from '#host/node/durable-file.ts'
import { openNodeHost } from '#host/node/open-node-host.ts'
import { openPgliteStore } from '#host/node/pglite-store.ts'
import { toProblem } from '#protocol/problem.ts'
import { type Cell, credentialsFile, type KeptCredentials, type KeptKeys, openCell } from './cell.ts'
import { type CellConfig, type CellMessage, CellOrder } from './cell-config.ts'

/** What runs may take this long to end when the network stops in order. */
const CLOSE_GRACE_MS = 10_000

process.title = 'shoal coordinator (spare)'
let cell: Cell | null = null
let isClosing = false

const send = (message: CellMessage): void => {
  if (process.connected) process.send?.(message)
}

function die(error: unknown): never {
  const problem = toProblem(error)
  send({ type: 'failed', code: problem.code, message: problem.message })
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(1)
}

async function start(config: CellConfig): Promise<void> {
  process.title = 'shoal coordinator'
  const { dataFolder, logLevel } = config
  const host = openNodeHost({ folder: dataFolder, logName: 'network', logLevel })
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
  cell = await openCell(
    {
      host,
      processId: process.pid,
      openStore: () => openPgliteStore({ folder: join(dataFolder, 'read-models'), owner: 'shoal up', log }),
      credentials: { read: () => readKeys(dataFolder), write: (kept) => writeKeys(dataFolder, kept) },
      onFatal: (problem) => fatal(problem),
      onBug: (error) => fatal(error),
    },
    config,
  )
  const { apiUrl, openaiBaseUrl, apiKey, operatorKey, port } = cell
  log.info('network.ready', { apiUrl })
  send({ type: 'ready', apiUrl, openaiBaseUrl, apiKey, operatorKey, port })
  if (isClosing) close(0)
}

function readKeys(dataFolder: string): KeptKeys | null {
  const path = credentialsFile(dataFolder)
  if (!existsSync(path)) return null
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as KeptKeys
  } catch {
    return null // A damaged file is replaced: its keys go on working for whoever kept them.
  }
}

const writeKeys = (dataFolder: string, kept: KeptCredentials): void =>
  writeFileDurablySync(credentialsFile(dataFolder), `${JSON.stringify(kept, null, 2)}\n`, 0o600)

function close(graceMs: number): void {
  isClosing = true
  if (cell) cell.close(graceMs).then(() => process.exit(0), die)
  else if (process.title.endsWith('(spare)')) process.exit(0)
}

function obey(order: CellOrder): void {
  if (order.type === 'start') start(order.config).catch(die)
  else if (order.type === 'stop') close(CLOSE_GRACE_MS)
  else cell?.enrolmentToken().then((token) => send({ type: 'token', token }), die)
}

process.on('message', (message) => obey(CellOrder.parse(message)))
// The terminal sends Ctrl-C to all processes at once; the parent decides what it means.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => close(CLOSE_GRACE_MS))
process.on('disconnect', () => close(0))
