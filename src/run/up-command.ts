/** `shoal up`: a whole network on this machine. */
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import { isEnrolled } from '#agent/enrol.ts'
import type { CliContext } from '#cli/context.ts'
import { dataFolderOf, type GlobalOptions, PORT_DEFAULT } from '#cli/credentials.ts'
import { styleFor } from '#cli/style.ts'
import { printable } from '#cli/table.ts'
import { createDiskSecrets } from '#host/node/disk-secrets.ts'
import { lockFolder } from '#host/node/folder-lock.ts'
import { nodeChildren } from '#host/node/node-children.ts'
import { nodeClock } from '#host/node/node-clock.ts'
import { formatUsd } from '#kernel/money.ts'
import type { Problem } from '#protocol/problem.ts'
import { VERSION } from '#protocol/version.ts'
import type { Serving } from './agent-keeper.ts'
import { awaitOffers } from './await-offers.ts'
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
import { type EnergyFlags, energyOf, energyOptions, firstAsk } from './energy-flags.ts'
import { batchDiscountOf, type EngineFlags, engineOf, engineOptions } from './engine-flags.ts'
import { enginesOf } from './gpu-build.ts'
import { type HostingFlags, hostingOptions } from './hosting-flags.ts'
import { keepAlive } from './keep-alive.ts'
import { type ListenFlags, listenOf, withListenFlags } from './listen-flags.ts'
import { makeOwnFolder } from './own-folder.ts'
import { clearReady, readyFields, readyWriter } from './ready-file.ts'
import { referenceAgent } from './reference-agent.ts'
import { screenNote } from './screen-note.ts'
import { settleServing } from './settle-serving.ts'
import { startSupervisor } from './supervisor.ts'
import { rulesOf, type TasksFlags, tasksOf, tasksOptions } from './tasks-flags.ts'
import { type TelemetryFlags, telemetryOf, telemetryWarning, withTelemetryFlags } from './telemetry-flags.ts'
import { type TokenizerFlags, tokenizerOption, tokenizersOf } from './tokenizers.ts'

interface UpOptions
  extends GlobalOptions,
    NetworkFlags,
    ListenFlags,
    TelemetryFlags,
    EngineFlags,
    EnergyFlags,
    HostingFlags,
    TasksFlags,
    TokenizerFlags {
  readonly readyFile?: string
  readonly agent: boolean
  readonly referenceAgent: boolean
  readonly database?: string
  readonly logLevel: LogLevel
}

export const upCommand = (context: CliContext): Command => {
  const command = new Command('up')
    .description('run a whole network on this machine: coordinator, gateway and one node')
    .option('--port <port>', 'the port to listen on; 0 for any free one', parsePort, PORT_DEFAULT)
    .option('--ready-file <file>', 'write {openaiBaseUrl, apiKey, apiUrl, webUrl} there once it serves')
    .option('--no-agent', 'no node on this machine')
    .option('--no-reference-agent', 'no second one that checks what other nodes render')
    .addOption(databaseOption())
    .addOption(logLevelOption())
    .addOption(tokenizerOption())
  withTelemetryFlags(withListenFlags(withNetworkFlags(command)))
  for (const option of [
    ...energyOptions('what the node asks'),
    ...engineOptions(context.rootFolder),
    ...hostingOptions(),
    ...tasksOptions({ isOwnNetwork: true }),
  ])
    command.addOption(option)
  return command.action((_options: unknown, self: Command) =>
    runUp(context, {
      ...self.optsWithGlobals<UpOptions>(),
      modelGiven: self.getOptionValueSource('model') !== 'default',
    }),
  )
}

const SAME_INTERRUPT_MS = 500

const moduleHere = (name: string): URL => new URL(import.meta.url.replace(/up-command(\.\w+)$/, `${name}$1`))

async function runUp(
  context: CliContext,
  options: UpOptions & { readonly modelGiven: boolean },
): Promise<void> {
  const dataFolder = resolve(dataFolderOf(context, options))
  const energy = energyOf(options, options.feeBps)
  const listen = listenOf(options, context.clock.nowMs())
  const telemetry = telemetryOf(options, dataFolder)
  if (options.readyFile !== undefined) clearReady(options.readyFile)
  makeOwnFolder(dataFolder)
  const serving = options.agent
    ? await settleServing(context, options, enginesOf(context, options))
    : { engine: engineOf(options), hosting: null }
  const lock = lockFolder(dataFolder, 'shoal up')
  const screen = createScreen(context, dataFolder, options)
  if (listen.proxies !== null && listen.publicUrl === null)
    screen.note('without --public-url it takes any name, and cannot tell agents where to join')
  const warning = telemetryWarning(telemetry)
  if (warning !== null) screen.note(warning)
  const agentFolder = join(dataFolder, 'agent')
  const { name, feeBps, testBalance, payoutMin, renderPrice, alertWebhook, logLevel } = options
  const { nodeProofs, answerAudits } = options

  const outcome = Promise.withResolvers<void>()
  let ready: Ready | null = null
  const writeReady = readyWriter(options.readyFile, (text) => screen.note(text))
  const announce = (serving: Serving | null): void => {
    if (!ready) return
    screen.serving(ready, serving)
    writeReady(ready)
  }
  const supervisor = startSupervisor(
    {
      children: nodeChildren,
      clock: nodeClock,
      modules: { cell: moduleHere('cell-main'), agent: moduleHere('agent-main') },
    },
    {
      cell: {
        role: 'cell',
        databaseUrl: options.database ?? null,
        busUrl: null,
        secretsFolder: null,
        dataFolder,
        listen,
        networkName: name,
        feeBps,
        testBalance,
        payoutMin,
        renderPrice,
        nodeProofs,
        joinLimits: joinLimitsOf(options),
        answerAudits,
        ...(alertWebhook !== undefined && { alertWebhook }),
        logLevel,
        telemetry,
        tokenizers: tokenizersOf(options, options.agent ? serving.engine : null),
      },
      agent: options.agent
        ? {
            agent: {
              folder: agentFolder,
              name: hostname() || 'local',
              askPerGpuHour: firstAsk(options),
              batchDiscountBps: batchDiscountOf(options),
              cachedDiscountBps: Math.round(options.cachedDiscount * 100),
              region: options.region ?? null,
              ...serving,
              tasks: tasksOf(options),
              rules: rulesOf(options),
              energy,
              logLevel,
            },
            isEnrolled: (apiUrl) =>
              isEnrolled({ secrets: createDiskSecrets(join(agentFolder, 'secrets')) }, apiUrl),
          }
        : null,
      reference: options.agent && options.referenceAgent ? referenceAgent(dataFolder, options) : null,
    },
    {
      onReady(now) {
        ready = now
        if (!options.agent) announce(null)
      },
      onStandby: (holder) => screen.note(`stands by; ${holder === '' ? 'nobody leads' : `${holder} leads`}`),
      onServing(serving) {
        const ids = serving.models.map(({ id }) => id)
        if (!ready) return
        // A parked node offers nothing, and the network is up all the same.
        if (serving.isParked) return announce(serving)
        awaitOffers({ fetch: context.fetch, clock: nodeClock }, ready, ids).then((isOffered) => {
          if (isOffered) announce(serving)
        }, outcome.reject)
      },
      onAgentState: (state) => screen.step(stepNames[state] ?? state),
      onAgentNote: (text) => screen.note(text),
      onAgentLost({ message }) {
        screen.note(`${message} The network goes on without its node; start it again when that is put right.`)
        announce(null)
      },
      onReferenceNote: (text) => screen.note(`the agent that checks results: ${text}`),
      onRestart: (what, why) => screen.restart(what, why),
      onFailed: (problem) => outcome.reject(problem),
    },
  )
  let isStopping = false
  let interruptedMs = 0
  const unsubscribe = context.onInterrupt(() => {
    // One Ctrl-C may arrive twice: from the terminal, and passed on by npm.
    if (isStopping && context.clock.elapsedMs() - interruptedMs > SAME_INTERRUPT_MS) {
      supervisor.kill()
      process.exit(130)
    }
    if (isStopping) return
    isStopping = true
    interruptedMs = context.clock.elapsedMs()
    screen.note('stopping; what runs may end first (Ctrl-C again: at once)')
    supervisor.stop().then(outcome.resolve, outcome.reject)
  })
  // Between two starts of a child there is nothing else.
  context.outlivesScreen?.()
  const letGo = keepAlive()
  try {
    await outcome.promise
  } finally {
    letGo()
    unsubscribe()
    if (!isStopping) await supervisor.stop()
    lock.release()
  }
}

/** What the local node does, in words; nothing for what passes in a moment. */
const stepNames: Readonly<Record<string, string>> = {
  enrolling: 'joining the network',
  downloading: 'downloading the model',
  loading: 'loading the model',
  measuring: 'measuring its speed here',
  proving_hardware: 'proving its hardware',
  away: '',
  waiting: '',
  connecting: '',
  proving: '',
  serving: '',
  stopped: '',
}

function servingWords({ isParked }: Serving, speeds: readonly string[], options: UpOptions): string {
  if (speeds.length === 0 && options.models === undefined) return isParked ? 'parked' : 'taking tasks'
  if (speeds.length === 0) return 'taking models from the network: "shoal models add"'
  return `${isParked ? 'parked' : 'serving'} ${speeds.join(', ')}`
}

/** What the user sees: one line while things start, then where everything is, then only what is worth a line. */
function createScreen(context: CliContext, dataFolder: string, options: UpOptions) {
  const { stdout, stderr } = context
  const style = styleFor(stdout, context.env)
  let isAnnounced = false
  let lastStep = ''
  let lastRestart = ''
  const line = (text: string): void => stdout.write(`${text}\n`)
  if (!options.json) line(`${style('bold', `Shoal ${VERSION}`)}: starting the network "${options.name}"`)
  return {
    step(step: string): void {
      if (isAnnounced || options.json || step === lastStep || step === '') return
      lastStep = step
      stderr.write(`${style('dim', `  ${printable(step)} …`)}\n`)
    },
    /** What stays wrong is told once, not at each try. */
    restart(what: string, why: Problem | string): void {
      const text =
        typeof why === 'string'
          ? `the ${what} ${why}; starting it again`
          : `${why.message} The ${what} is started again until it works.`
      if (text !== lastRestart || typeof why === 'string') this.note(text)
      lastRestart = text
    },
    note: screenNote(context, style),
    serving(ready: Ready, serving: Serving | null): void {
      if (isAnnounced) return
      isAnnounced = true
      const { apiUrl, openaiBaseUrl, publicUrl } = ready
      const apiKey = ready.apiKey ?? 'YOUR_KEY'
      if (options.json) return line(JSON.stringify({ ...readyFields(ready), apiKey }))
      const speeds = serving?.models.map(
        ({ id, tokensPerSecond }) => `${printable(id)} (${Math.round(tokensPerSecond)} tokens/s)`,
      )
      const fields: [string, string][] = [
        ['OpenAI API', openaiBaseUrl],
        ['API key', apiKey],
        ['Web', `${apiUrl}/   ${style('dim', `API reference: ${apiUrl}/docs`)}`],
        ...(publicUrl === apiUrl
          ? []
          : [['Elsewhere', `${publicUrl}/   for agents and clients`] as [string, string]]),
        ['Data', dataFolder],
        ['Balance', `$${formatUsd(options.testBalance)} of test money on a new network`],
        [
          'Node',
          serving
            ? `${serving.nodeId}, ${servingWords(serving, speeds ?? [], options)}`
            : 'none here; add one with "shoal provide"',
        ],
      ]
      line('')
      for (const [name, value] of fields) line(`  ${style('dim', name.padEnd(11))}${value}`)
      line(`\n  ${style('bold', 'Try')}, in another terminal:\n`)
      const data = options.data === undefined ? '' : ` --data ${quote(dataFolder)}`
      // A node without a model answers nobody, and is here to render.
      const isForTasks = serving !== null && serving.models.length === 0
      if (isForTasks) line(`  npx shoal render scene.blend --frames 1-8 --watch${data}`)
      else line(`  npx shoal chat "What is Shoal?"${data}`)
      line(`  npx shoal status${data}`)
      if (!isForTasks)
        line(`  ${curlLine({ openaiBaseUrl, apiKey, model: serving?.models[0]?.id ?? 'MODEL' })}`)
      line(`\n  ${style('dim', 'Ctrl-C stops the network; nothing is lost.')}`)
    },
  }
}

function curlLine(to: { openaiBaseUrl: string; apiKey: string; model: string }): string {
  const body = JSON.stringify({
    model: to.model,
    messages: [{ role: 'user', content: 'What is Shoal?' }],
  })
  return `curl ${to.openaiBaseUrl}/chat/completions -H "Authorization: Bearer ${to.apiKey}" -H "Content-Type: application/json" -d '${body}'`
}

const quote = (text: string): string => (/^[\w./~-]+$/.test(text) ? text : JSON.stringify(text))
