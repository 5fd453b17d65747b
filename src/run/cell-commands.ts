/**
 * `shoal coordinator` and `shoal gateway`: the two halves of a network that has outgrown one process. Both keep the
 * process that does the work as a child: when it dies, another takes its place.
 */
import { resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { CliContext } from '#cli/context.ts'
import { dataFolderOf, type GlobalOptions, PORT_DEFAULT } from '#cli/credentials.ts'
import { styleFor } from '#cli/style.ts'
import { lockFolder } from '#host/node/folder-lock.ts'
import { nodeChildren } from '#host/node/node-children.ts'
import { nodeClock } from '#host/node/node-clock.ts'
import type { Problem } from '#protocol/problem.ts'
import { VERSION } from '#protocol/version.ts'
import type { CellConfig } from './cell-config.ts'
import {
  databaseOption,
  joinLimitsOf,
  type LogLevel,
  logLevelOption,
  type NetworkFlags,
  parsePort,
  withNetworkFlags,
} from './cell-flags.ts'
import type { Ready } from './cell-keeper.ts'
import { keepAlive } from './keep-alive.ts'
import { type ListenFlags, listenOf, withListenFlags } from './listen-flags.ts'
import { makeOwnFolder } from './own-folder.ts'
import { clearReady, readyWriter } from './ready-file.ts'
import { screenNote } from './screen-note.ts'
import { type TelemetryFlags, telemetryOf, telemetryWarning, withTelemetryFlags } from './telemetry-flags.ts'
import { type TokenizerFlags, tokenizerOption, tokenizersOf } from './tokenizers.ts'
import { keepWorkers, WORKERS_MAX } from './workers-keeper.ts'

interface PartOptions extends GlobalOptions, ListenFlags, TelemetryFlags, TokenizerFlags {
  readonly bus: string
  readonly secrets?: string
  readonly readyFile?: string
  readonly logLevel: LogLevel
  readonly workers?: number
}
type CoordinatorOptions = PartOptions & NetworkFlags & { readonly database: string }

const SAME_INTERRUPT_MS = 500

const busOption = (): Option =>
  new Option('--bus <url>', 'the message server between coordinators and gateways: nats://…')
    .env('SHOAL_BUS')
    .makeOptionMandatory()

const withPartFlags = (command: Command, port: number): Command =>
  withTelemetryFlags(withListenFlags(command))
    .addOption(busOption())
    .option('--secrets <folder>', 'the secrets that all coordinators and gateways of the network share')
    .option('--port <port>', 'the port to listen on; 0 for any free one', parsePort, port)
    .option('--ready-file <file>', 'write its addresses there once it serves')
    .addOption(logLevelOption())

export const coordinatorCommand = (context: CliContext): Command =>
  withPartFlags(
    withNetworkFlags(
      new Command('coordinator')
        .description('run a coordinator: leads the network, or stands by until the one that leads is gone')
        .addOption(databaseOption().makeOptionMandatory()),
    ),
    PORT_DEFAULT + 1,
  ).action((_options: unknown, self: Command) => {
    const options = self.optsWithGlobals<CoordinatorOptions>()
    const { database: databaseUrl, name: networkName, feeBps, testBalance, payoutMin, alertWebhook } = options
    const { renderPrice, nodeProofs, answerAudits } = options
    const network = {
      networkName,
      feeBps,
      testBalance,
      payoutMin,
      renderPrice,
      nodeProofs,
      joinLimits: joinLimitsOf(options),
      answerAudits,
      ...(alertWebhook !== undefined && { alertWebhook }),
    }
    return runPart(context, options, { role: 'coordinator', databaseUrl, ...network })
  })

export const gatewayCommand = (context: CliContext): Command =>
  withPartFlags(
    new Command('gateway').description(
      'run a gateway: serves clients and agents, for whichever coordinator leads',
    ),
    PORT_DEFAULT,
  )
    .addOption(
      new Option(
        '--workers <count>',
        'processes that share the port and the work; one for each core is the most that helps',
      )
        .argParser(parseWorkers)
        .default(1),
    )
    .addOption(tokenizerOption())
    .action((_options: unknown, self: Command) => {
      const network = { networkName: 'gateway', feeBps: 0, testBalance: 0n }
      return runPart(context, self.optsWithGlobals<PartOptions>(), {
        role: 'gateway',
        databaseUrl: null,
        ...network,
      })
    })

function parseWorkers(text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count >= 1 && count <= WORKERS_MAX) return count
  throw new InvalidArgumentError(`Expected a number from 1 to ${WORKERS_MAX}.`)
}

type PartConfig = Pick<
  CellConfig,
  | 'role'
  | 'databaseUrl'
  | 'networkName'
  | 'feeBps'
  | 'testBalance'
  | 'payoutMin'
  | 'renderPrice'
  | 'nodeProofs'
  | 'joinLimits'
  | 'answerAudits'
  | 'alertWebhook'
>

async function runPart(context: CliContext, options: PartOptions, part: PartConfig): Promise<void> {
  const dataFolder = resolve(dataFolderOf(context, options))
  const { logLevel, bus: busUrl, readyFile } = options
  const listen = listenOf(options, context.clock.nowMs())
  const telemetry = telemetryOf(options, dataFolder)
  if (readyFile !== undefined) clearReady(readyFile)
  makeOwnFolder(dataFolder)
  const lock = lockFolder(dataFolder, `shoal ${part.role}`)
  const outcome = Promise.withResolvers<void>()
  const screen = createScreen(context, options, part.role)
  const warning = telemetryWarning(telemetry)
  if (warning !== null) screen.note(warning)
  const writeReady = readyWriter(readyFile, screen.note)
  const secretsFolder = options.secrets === undefined ? null : resolve(options.secrets)
  const cell = keepWorkers(
    { children: nodeChildren, clock: nodeClock, module: moduleHere('cell-main') },
    {
      ...part,
      dataFolder,
      busUrl,
      logLevel,
      secretsFolder,
      listen,
      telemetry,
      tokenizers: tokenizersOf(options, null),
    },
    options.workers ?? 1,
    {
      onReady(ready) {
        screen.ready(ready)
        writeReady(ready)
      },
      onStandby: screen.standby,
      onToken: () => undefined,
      onRestart: screen.restart,
      onFailed: outcome.reject,
    },
  )
  let interruptedMs: number | null = null
  const unsubscribe = context.onInterrupt(() => {
    const nowMs = context.clock.elapsedMs()
    if (interruptedMs !== null) {
      // One Ctrl-C may arrive twice: from the terminal, and passed on by npm.
      if (nowMs - interruptedMs <= SAME_INTERRUPT_MS) return
      cell.kill()
      process.exit(130)
    }
    interruptedMs = nowMs
    screen.note('stopping; what runs may end first (Ctrl-C again: at once)')
    cell.stop().then(outcome.resolve, outcome.reject)
  })
  context.outlivesScreen?.()
  const letGo = keepAlive()
  try {
    await outcome.promise
  } finally {
    letGo()
    unsubscribe()
    if (interruptedMs === null) await cell.stop()
    lock.release()
  }
}

const moduleHere = (name: string): URL =>
  new URL(import.meta.url.replace(/cell-commands(\.\w+)$/, `${name}$1`))

function createScreen(context: CliContext, options: PartOptions, role: PartConfig['role']) {
  const { stdout } = context
  const style = styleFor(stdout, context.env)
  const note = screenNote(context, style)
  let told = ''
  const tell = (text: string): void => {
    if (text !== told) note(text)
    told = text
  }
  if (!options.json) stdout.write(`${style('bold', `Shoal ${VERSION}`)}: starting a ${role}\n`)
  return {
    note,
    standby(holder: string, apiUrl: string | null): void {
      const at = apiUrl === null ? '' : `, at ${apiUrl}`
      tell(`stands by${at}; ${holder === '' ? 'nobody leads' : `${holder} leads`}`)
    },
    restart(why: Problem | string): void {
      tell(
        typeof why === 'string'
          ? `the ${role} ${why}; starting it again`
          : `${why.message} The ${role} is started again.`,
      )
    },
    ready({ apiUrl, openaiBaseUrl, apiKey, publicUrl }: Ready): void {
      told = ''
      if (options.json)
        return stdout.write(`${JSON.stringify({ apiUrl, publicUrl, openaiBaseUrl, apiKey })}\n`)
      if (role === 'coordinator') return stdout.write(`  leads, at ${apiUrl}\n`)
      const elsewhere = publicUrl === apiUrl ? '' : `; elsewhere ${publicUrl}`
      stdout.write(`  serves at ${apiUrl}${elsewhere}; OpenAI API: ${openaiBaseUrl}\n`)
    },
  }
}
