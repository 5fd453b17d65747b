import { Command, InvalidArgumentError, Option } from 'commander'
import { fleetNames } from '#economics/fleet/named-fleets.ts'
import { decimal, wholeNumber } from '../arguments.ts'
import type { CliContext } from '../context.ts'

const MACHINES_MAX = 2_000
const MONTHS_MAX = 100_000

/** `shoal sim`: what a fleet keeps. What simulates is loaded when it is wanted: no other command needs it. */
export const simCommand = (context: CliContext): Command =>
  new Command('sim')
    .description('what SLA a fleet of such machines keeps, with how many spares, and at what cost')
    .option('--nodes <count>', 'machines at work', wholeNumber(1, MACHINES_MAX), 20)
    .option(
      '--fleet <kinds>',
      `what kind they are: ${fleetNames.join(', ')}, mix (all four as on an open network), or with weights as dedicated:3,gaming:1`,
      'dedicated',
    )
    .option(
      '--up <lifetime>',
      'your own machines instead: how long they stay, as weibull:0.7,97.3 or exp:30d',
    )
    .option('--down <lifetime>', 'how long they stay away, as lognormal:10m,1.08 or fixed:120s')
    .option('--replicas <count>', 'machines that serve the same thing', wholeNumber(1, 100), 2)
    .option('--needs <count>', 'so many of those must be up', wholeNumber(1, 100), 1)
    .option('--spares <count>', 'idle machines that step in', wholeNumber(0, MACHINES_MAX), 1)
    .addOption(
      new Option('--replace <time>', 'from a loss until a spare serves, as 30s or 10m')
        .argParser(takeover)
        .default(30_000, '30s'),
    )
    .option('--months <count>', 'how many months are simulated', wholeNumber(1, MONTHS_MAX), 1_000)
    .addOption(
      new Option('--tier <class>', 'the promise that is to be kept')
        .choices(['standard', 'business', 'enterprise'])
        .default('enterprise'),
    )
    .option('--goal <percent>', 'in so many of all months, as 99.9', decimal(1, 100), 99.9)
    .option('--per-owner <count>', 'machines that one owner has', wholeNumber(1, MACHINES_MAX), 1)
    .option('--regions <count>', 'regions or providers they are spread over', wholeNumber(1, 1_000), 10)
    .option('--versions <count>', 'versions of the agent that they run', wholeNumber(1, 100), 2)
    .option('--independent', 'leave out what takes several machines away at once')
    .addOption(
      new Option('--placement <how>', 'where copies go: apart by owner, region and version, or anywhere')
        .choices(['apart', 'anywhere'])
        .default('apart'),
    )
    .option('--price <usd>', 'what a machine costs an hour that it is there', decimal(0, 1_000))
    .option('--charge <usd>', 'what customers pay for one service a month', decimal(0, 10_000_000))
    .option('--seed <number>', 'for the same months again', wholeNumber(0, 2 ** 32 - 1), 1)
    .option('--html <file>', 'write the report as a page with charts, too')
    .action(async (_options: unknown, command: Command) =>
      (await import('./sim-run.ts')).runSim(context, command.optsWithGlobals()),
    )

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A duration that may be none. */
function takeover(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,6}(?:\.\d{1,3})?)([smhd])$/.exec(text) ?? []
  const ms = text === '0' ? 0 : Number(count) * (unitMs[unit] ?? Number.NaN)
  if (ms >= 0 && ms <= 30 * (unitMs['d'] ?? 0)) return ms
  throw new InvalidArgumentError('Expected a time such as 30s, 10m or 0.')
}
