/**
 * The cell's own process, child of `shoal up`. Loads its code, waits to be told to start (at once, or as the spare of
 * a cell that died), and runs until it is told to stop or its parent is gone.
 */
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism, hostname } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import type { Host, Secrets } from '#host/host.ts'
import { createDiskSecrets } from '#host/node/disk-secrets.ts'
import { writeFileDurablySync } from '#host/node/durable-file.ts'
import { openNatsBus } from '#host/node/nats-bus.ts'
import { openNodeHost } from '#host/node/open-node-host.ts'
import { openPgliteStore } from '#host/node/pglite-store.ts'
import { withShared } from '#host/node/shared-secrets.ts'
import { trustAuthorities } from '#host/node/trusted-authorities.ts'
import { toProblem } from '#protocol/problem.ts'
import { type Cell, credentialsFile, type KeptCredentials, type KeptKeys, openCell } from './cell.ts'
import { type CellConfig, type CellMessage, CellOrder } from './cell-config.ts'
import { openCellTelemetry } from './cell-telemetry.ts'
import { databaseAt } from './database.ts'

/** What runs may take this long to end when the network stops in order. */
const CLOSE_GRACE_MS = 10_000

// Where there is much memory, V8 lets garbage grow to several times what lives before it looks at what is old: a flood of
// calls made it 300 MiB larger, with 33 MiB alive. This looks sooner.
setFlagsFromString('--heap-growing-percent=50')
if (availableParallelism() === 1) collectAlone()
process.title = 'shoal coordinator (spare)'
let cell: Cell | null = null
let isClosing = false

const send = (message: CellMessage): void => {
  if (process.connected) process.send?.(message)
}

/** Threads that help to collect young garbage can only take turns with the one that they help where there is no core for them. */
function collectAlone(): void {
  setFlagsFromString('--no-parallel-scavenge')
}

function die(error: unknown): never {
  const problem = toProblem(error)
  send({ type: 'failed', code: problem.code, message: problem.message })
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(1)
}

async function start(config: CellConfig): Promise<void> {
  process.title = config.role === 'gateway' ? 'shoal gateway' : 'shoal coordinator'
  if (config.worker) collectAlone()
  const { dataFolder, logLevel } = config
  if (config.listen.caFile !== null) trustAuthorities(config.listen.caFile)
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
  const shared =
    config.databaseUrl === null ? null : databaseAt(config.databaseUrl, { ...host, holder: holderOf() })
  const bus =
    config.busUrl === null ? host.bus : await openNatsBus(host, { url: config.busUrl, name: holderOf() })
  const telemetry = await openCellTelemetry({ ...host, bus, env: process.env }, config)
  const journals = telemetry.timed(host.journals)
  cell = openCell(
    {
      host: { ...host, bus, journals, secrets: secretsOf(config, host) },
      sharedJournals: shared && telemetry.timedShared(shared.journals),
      telemetry,
      processId: process.pid,
      openStore:
        shared?.openStore ??
        (() => openPgliteStore({ folder: join(dataFolder, 'read-models'), owner: 'shoal up', log })),
      credentials: { read: () => readKeys(dataFolder), write: (kept) => writeKeys(dataFolder, kept) },
      onStandby(holder, apiUrl) {
        log.info('coordinator.stands_by', { holder })
        send({ type: 'standby', holder, apiUrl })
      },
      onAuditorsWanted: () => send({ type: 'auditors_wanted' }),
      onFatal: (problem) => fatal(problem),
      onBug: (error) => fatal(error),
    },
    config,
  )
  if (isClosing) return close(0)
  const { keys, ...ready } = await cell.ready
  const { apiUrl, publicUrl } = ready
  log.info('network.ready', { apiUrl, publicUrl })
  const { apiKey = null, operatorKey = null } = keys ?? {}
  send({ type: 'ready', ...ready, apiKey, operatorKey, holder: holderOf() })
}

const secretsOf = ({ secretsFolder }: CellConfig, { secrets }: Pick<Host, 'secrets'>): Secrets =>
  secretsFolder === null ? secrets : withShared(secrets, createDiskSecrets(secretsFolder))

/** How this process is called on the servers that it shares with others. */
const holderOf = (): string => `${hostname()}/${process.pid}`

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
  else if (order.type === 'auditor_failed') cell?.auditorFailed()
  else
    cell?.enrolmentToken(order.owner).then((token) => {
      if (token !== null) send({ type: 'token', token, owner: order.owner })
    }, die)
}

process.on('message', (message) => obey(CellOrder.parse(message)))
// The terminal sends Ctrl-C to all processes at once; the parent decides what it means.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => close(CLOSE_GRACE_MS))
process.on('disconnect', () => close(0))
