/** `shoal provide`: this machine becomes a node of a network. */
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { Command, Option } from 'commander'
import type { CliContext } from '#cli/context.ts'
import { caFileOf, dataFolderOf, type GlobalOptions } from '#cli/credentials.ts'
import { styleFor } from '#cli/style.ts'
import { printable } from '#cli/table.ts'
import { formatUsd } from '#kernel/money.ts'
import { Problem } from '#protocol/problem.ts'
import { parseName, parsePort } from './cell-flags.ts'
import { type EnergyFlags, energyOf, energyOptions, firstAsk } from './energy-flags.ts'
import { batchDiscountOf, type EngineFlags, engineOptions } from './engine-flags.ts'
import { enginesOf } from './gpu-build.ts'
import { type HostingFlags, hostingOptions } from './hosting-flags.ts'
import { keepAlive } from './keep-alive.ts'
import { isLoopback } from './listen-config.ts'
import { type AgentStep, type RunningAgent, runAgent } from './run-agent.ts'
import { screenNote } from './screen-note.ts'
import { settleServing } from './settle-serving.ts'
import { rulesOf, type TasksFlags, tasksOf, tasksOptions } from './tasks-flags.ts'

interface ProvideOptions extends GlobalOptions, EngineFlags, EnergyFlags, HostingFlags, TasksFlags {
  readonly join: string
  readonly token?: string
  readonly allowUnproven?: true
  readonly name: string
  readonly metricsPort?: number
  readonly logLevel: 'info' | 'warn' | 'error'
}

const DRAIN_MS = 30_000
const SAME_INTERRUPT_MS = 500

export const provideCommand = (context: CliContext): Command => {
  const command = new Command('provide')
    .description('serve a network with this machine, and earn')
    .requiredOption('--join <url>', "the network's address, such as http://127.0.0.1:7420")
    .option(
      '--token <token>',
      'a single-use enrolment token; needed the first time ("shoal nodes token" makes one)',
    )
    .option(
      '--allow-unproven',
      'go on serving a network that was rolled back to a release that cannot prove its key',
    )
    .option('--metrics-port <port>', 'show metrics at http://127.0.0.1:PORT/metrics', parsePort)
    .option('--name <name>', "the node's name", parseName, hostname() || 'node')
    .addOption(
      new Option('--log-level <level>', 'what goes to the log file')
        .choices(['info', 'warn', 'error'])
        .default('info'),
    )
  for (const option of [
    ...energyOptions('what you ask'),
    ...engineOptions(context.rootFolder),
    ...hostingOptions(),
    ...tasksOptions({ isOwnNetwork: false }),
  ])
    command.addOption(option)
  return command.action((_options: unknown, self: Command) =>
    runProvide(context, {
      ...self.optsWithGlobals<ProvideOptions>(),
      modelGiven: self.getOptionValueSource('model') !== 'default',
    }),
  )
}

async function runProvide(
  context: CliContext,
  options: ProvideOptions & { readonly modelGiven: boolean },
): Promise<void> {
  const folder = join(resolve(dataFolderOf(context, options)), 'provider')
  const apiUrl = originOf(options.join)
  if (apiUrl.startsWith('https:')) context.trustAuthorities(caFileOf(context, options))
  const abort = new AbortController()
  const outcome = Promise.withResolvers<void>()
  const show = createProgress(context, options)
  let agent: RunningAgent | null = null
  let isLeaving = false
  let interruptedMs = 0
  const unsubscribe = context.onInterrupt(() => {
    // One Ctrl-C may arrive twice: from the terminal, and passed on by npm.
    if (isLeaving && context.clock.elapsedMs() - interruptedMs > SAME_INTERRUPT_MS) process.exit(130)
    if (isLeaving) return
    isLeaving = true
    interruptedMs = context.clock.elapsedMs()
    abort.abort(new Problem('cancelled', 'Stopped before it served.'))
    show.note(
      agent
        ? 'draining: no new work; what runs may end first (Ctrl-C again: at once)'
        : 'stopping (Ctrl-C again: at once)',
    )
    agent?.drain(DRAIN_MS).then(outcome.resolve, outcome.reject)
  })
  context.outlivesScreen?.()
  const letGo = keepAlive()
  try {
    agent = await runAgent(
      {
        folder,
        apiUrl,
        token: options.token ?? null,
        allowsUnproven: options.allowUnproven === true,
        name: options.name,
        askPerGpuHour: firstAsk(options),
        region: options.region ?? null,
        batchDiscountBps: batchDiscountOf(options),
        cachedDiscountBps: Math.round(options.cachedDiscount * 100),
        ...(await settleServing(context, options, enginesOf(context, options))),
        tasks: tasksOf(options),
        rules: rulesOf(options),
        energy: energyOf(options, null),
        metricsPort: options.metricsPort ?? null,
        logLevel: options.logLevel,
      },
      { onStep: show.step, onFailed: outcome.reject },
      abort.signal,
    )
    if (isLeaving) await agent.drain(0)
    else await outcome.promise
  } catch (error) {
    if (!isLeaving) await agent?.drain(0)
    throw error
  } finally {
    letGo()
    unsubscribe()
  }
}

function originOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : null
  if (parsed?.protocol === 'http:' && !isLoopback(parsed.hostname)) {
    throw new Problem(
      'config_invalid',
      `--join ${url} is plain http to another machine, by which everybody on the way could read along. Join it by its https address; one that has none is reached through a tunnel (ssh -L) and http://127.0.0.1.`,
    )
  }
  if (parsed?.protocol === 'http:' || parsed?.protocol === 'https:') return parsed.origin
  throw new Problem(
    'config_invalid',
    `--join ${JSON.stringify(url)} is not an address such as http://127.0.0.1:7420.`,
  )
}

export function createProgress(
  context: Pick<CliContext, 'stdout' | 'stderr' | 'env'>,
  options: Pick<ProvideOptions, 'join' | 'json' | 'models'>,
) {
  const { stdout, stderr } = context
  const style = styleFor(stdout, context.env)
  const note = screenNote(context, style)
  let percentShown = -1
  let awayTold = ''
  return {
    note,
    step(step: AgentStep): void {
      switch (step.kind) {
        case 'downloading': {
          const { receivedBytes, totalBytes, bytesPerSecond } = step.progress
          const percent = totalBytes ? Math.floor((100 * receivedBytes) / totalBytes) : 0
          if (percent === percentShown && !stderr.isTty) return
          percentShown = percent
          const rate = `${(bytesPerSecond / 1e6).toFixed(1)} MB/s`
          const text = `downloading: ${totalBytes ? `${percent} %` : `${(receivedBytes / 1e6).toFixed(0)} MB`} at ${rate}`
          return void stderr.write(stderr.isTty ? `\r${text}   ` : `${text}\n`)
        }
        case 'note':
          return note(step.text)
        case 'waiting':
          return note(`still waiting: ${step.why}`)
        case 'loading':
          return note('loading the model')
        case 'measuring':
          return note('measuring its speed here')
        case 'enrolling':
          return note(`joining ${options.join}`)
        case 'proving_hardware':
          return note('proving hardware ...: it gets work once that holds')
        case 'away':
          if (step.message !== awayTold) note(`${step.message} Asking again …`)
          awayTold = step.message
          return
        case 'state':
          // Where it was said what is wrong, each further try is no news.
          return step.state === 'serving' || awayTold !== ''
            ? undefined
            : note(`${step.nodeId}: ${step.state}`)
        case 'serving':
          awayTold = ''
          return stdout.write(servingText(step, options))
      }
    },
  }
}

function servingText(
  step: AgentStep & { kind: 'serving' },
  options: Pick<ProvideOptions, 'json' | 'models'>,
): string {
  const { nodeId, models, askPerGpuHour } = step
  if (options.json) return `${JSON.stringify({ nodeId, models, askPerGpuHour: askPerGpuHour.toString() })}\n`
  const list = models
    .map(({ id, tokensPerSecond }) => `${printable(id)} at ${Math.round(tokensPerSecond)} tokens/s`)
    .join(', ')
  const ask = `asking $${formatUsd(askPerGpuHour)} per GPU-hour. Ctrl-C drains and leaves.`
  if (models.length === 0 && !step.isParked) {
    const takes = options.models === undefined ? 'tasks' : 'the models that the network places on it'
    return `${nodeId} takes ${takes}, ${ask}\n`
  }
  if (step.isParked) return `${nodeId} is parked, with ${list === '' ? 'no model' : list}. Ctrl-C leaves.\n`
  return `${nodeId} serves ${list}, ${ask}\n`
}
