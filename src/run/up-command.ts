/** `shoal up`: a whole network on this machine. */
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { isEnrolled } from '#agent/enrol.ts'
import type { CliContext } from '#cli/context.ts'
import { dataFolderOf, type GlobalOptions, PORT_DEFAULT } from '#cli/credentials.ts'
import { styleFor } from '#cli/style.ts'
import { toDiskProblem } from '#host/node/disk-problem.ts'
import { createDiskSecrets } from '#host/node/disk-secrets.ts'
import { makeFolder } from '#host/node/durable-file.ts'
import { lockFolder } from '#host/node/folder-lock.ts'
import { nodeChildren } from '#host/node/node-children.ts'
import { nodeClock } from '#host/node/node-clock.ts'
import { formatUsd, type NanoUsd } from '#kernel/money.ts'
import { Problem } from '#protocol/problem.ts'
import { VERSION } from '#protocol/version.ts'
import type { Serving } from './agent-keeper.ts'
import { awaitOffers } from './await-offers.ts'
import type { Ready } from './cell-keeper.ts'
import { type EnergyFlags, energyOf, energyOptions, firstAsk, parseMoney } from './energy-flags.ts'
import { type EngineFlags, engineOf, engineOptions } from './engine-flags.ts'
import { keepAlive } from './keep-alive.ts'
import { startSupervisor } from './supervisor.ts'

interface UpOptions extends GlobalOptions, EngineFlags, EnergyFlags {
  readonly port: number
  readonly name: string
  readonly readyFile?: string
  readonly agent: boolean
  readonly feeBps: number
  readonly testBalance: NanoUsd
  readonly logLevel: 'info' | 'warn' | 'error'
}

const NAME_LENGTH_MAX = 100
const TEST_BALANCE_DEFAULT: NanoUsd = 10_000_000_000n

export const upCommand = (context: CliContext): Command => {
  const command = new Command('up')
    .description('run a whole network on this machine: coordinator, gateway and one node')
    .option('--port <port>', 'where to listen on 127.0.0.1; 0 for any free port', parsePort, PORT_DEFAULT)
    .option('--name <name>', "the network's name", parseName, 'local')
    .option('--ready-file <file>', 'write {openaiBaseUrl, apiKey, apiUrl, webUrl} there once it serves')
    .option('--no-agent', 'no node on this machine')
    .option(
      '--fee-bps <bps>',
      "the network's part of each request, in hundredths of a percent",
      parseBps,
      500,
    )
    .addOption(
      new Option('--test-balance <usd>', 'test money that a new network starts with')
        .argParser(parseMoney)
        .default(TEST_BALANCE_DEFAULT, '10'),
    )
    .addOption(
      new Option('--log-level <level>', 'what goes to the log files')
        .choices(['info', 'warn', 'error'])
        .default('info'),
    )
  for (const option of [...energyOptions('what the node asks'), ...engineOptions(context.rootFolder)])
    command.addOption(option)
  return command.action((_options: unknown, self: Command) =>
    runUp(context, self.optsWithGlobals<UpOptions>()),
  )
}

export const parseName = (text: string): string => {
  if (text.trim() !== '' && text.length <= NAME_LENGTH_MAX) return text
  throw new InvalidArgumentError(`Expected 1 to ${NAME_LENGTH_MAX} characters.`)
}
const parsePort = (text: string): number =>
  parseBounded(text, { max: 65_535, what: 'a port from 0 to 65535' })
const parseBps = (text: string): number =>
  parseBounded(text, { max: 10_000, what: 'a number from 0 to 10000' })
function parseBounded(text: string, { max, what }: { max: number; what: string }): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0 || value > max || text.trim() === '')
    throw new InvalidArgumentError(`Expected ${what}.`)
  return value
}

const SAME_INTERRUPT_MS = 500

const moduleHere = (name: string): URL => new URL(import.meta.url.replace(/up-command(\.\w+)$/, `${name}$1`))

async function runUp(context: CliContext, options: UpOptions): Promise<void> {
  const dataFolder = resolve(dataFolderOf(context, options))
  const energy = energyOf(options, options.feeBps)
  if (options.readyFile !== undefined) clearReady(options.readyFile)
  // Who used what, and the hashes of keys, are nobody else's on this machine.
  makeOwnFolder(dataFolder)
  const lock = lockFolder(dataFolder, 'shoal up')
  const screen = createScreen(context, dataFolder, options)
  const agentFolder = join(dataFolder, 'agent')
  const { name, port, feeBps, testBalance, logLevel } = options

  const outcome = Promise.withResolvers<void>()
  let ready: Ready | null = null
  const announce = (serving: Serving | null): void => {
    if (!ready) return
    screen.serving(ready, serving)
    if (options.readyFile !== undefined) writeReady(options.readyFile, ready)
  }
  const supervisor = startSupervisor(
    {
      children: nodeChildren,
      clock: nodeClock,
      modules: { cell: moduleHere('cell-main'), agent: moduleHere('agent-main') },
    },
    {
      cell: { dataFolder, hostname: '127.0.0.1', port, networkName: name, feeBps, testBalance, logLevel },
      agent: options.agent
        ? {
            agent: {
              folder: agentFolder,
              name: hostname() || 'local',
              askPerGpuHour: firstAsk(options),
              engine: engineOf(options),
              energy,
              logLevel,
            },
            isEnrolled: (apiUrl) =>
              isEnrolled({ secrets: createDiskSecrets(join(agentFolder, 'secrets')) }, apiUrl),
          }
        : null,
    },
    {
      onReady(now) {
        ready = now
        if (!options.agent) announce(null)
      },
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

function makeOwnFolder(folder: string): void {
  try {
    makeFolder(folder, 0o700)
  } catch (error) {
    throw toDiskProblem(error, folder)
  }
}

/** Nobody may take the file of an earlier run for this one's; a place that cannot be written is told before the start. */
function clearReady(file: string): void {
  tryReady(file, () => {
    writeFileSync(file, '', { mode: 0o600 })
    rmSync(file)
  })
}

function writeReady(file: string, { openaiBaseUrl, apiKey, apiUrl }: Ready): void {
  const text = `${JSON.stringify({ openaiBaseUrl, apiKey, apiUrl, webUrl: `${apiUrl}/` })}\n`
  // Renamed into place: whoever waits for the file never reads half of it.
  tryReady(file, () => {
    writeFileSync(`${file}.part`, text, { mode: 0o600 })
    renameSync(`${file}.part`, file)
  })
}

function tryReady(file: string, write: () => void): void {
  try {
    write()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new Problem('config_invalid', `The ready file ${file} cannot be written: ${why}.`, { cause })
  }
}

/** What the local node does, in words; nothing for what passes in a moment. */
const stepNames: Readonly<Record<string, string>> = {
  enrolling: 'joining the network',
  downloading: 'downloading the model',
  loading: 'loading the model',
  measuring: 'measuring its speed here',
  away: '',
  waiting: '',
  connecting: '',
  proving: '',
  serving: '',
  stopped: '',
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
      stderr.write(`${style('dim', `  ${step} …`)}\n`)
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
    note: (text: string): void => void stderr.write(`${style('dim', `shoal: ${text}`)}\n`),
    serving(ready: Ready, serving: Serving | null): void {
      if (isAnnounced) return
      isAnnounced = true
      const { apiUrl, openaiBaseUrl, apiKey } = ready
      if (options.json) return line(JSON.stringify({ openaiBaseUrl, apiKey, apiUrl, webUrl: `${apiUrl}/` }))
      const model = serving?.models[0]?.id ?? 'MODEL'
      const speeds = serving?.models.map(
        ({ id, tokensPerSecond }) => `${id} (${Math.round(tokensPerSecond)} tokens/s)`,
      )
      const fields: [string, string][] = [
        ['OpenAI API', openaiBaseUrl],
        ['API key', apiKey],
        ['Web', `${apiUrl}/   ${style('dim', `API reference: ${apiUrl}/docs`)}`],
        ['Data', dataFolder],
        ['Balance', `$${formatUsd(options.testBalance)} of test money on a new network`],
        [
          'Node',
          serving
            ? `${serving.nodeId}, ${serving.isParked ? 'parked' : 'serving'} ${speeds?.join(', ')}`
            : 'none here; add one with "shoal provide"',
        ],
      ]
      line('')
      for (const [name, value] of fields) line(`  ${style('dim', name.padEnd(11))}${value}`)
      line(`\n  ${style('bold', 'Try')}, in another terminal:\n`)
      const data = options.data === undefined ? '' : ` --data ${quote(dataFolder)}`
      line(`  npx shoal chat "What is Shoal?"${data}`)
      line(`  npx shoal status${data}`)
      const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'What is Shoal?' }] })
      line(
        `  curl ${openaiBaseUrl}/chat/completions -H "Authorization: Bearer ${apiKey}" -H "Content-Type: application/json" -d '${body}'`,
      )
      line(`\n  ${style('dim', 'Ctrl-C stops the network; nothing is lost.')}`)
    },
  }
}

const quote = (text: string): string => (/^[\w./~-]+$/.test(text) ? text : JSON.stringify(text))
