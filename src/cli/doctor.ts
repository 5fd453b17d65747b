import { Command, Option } from 'commander'
import { wholeNumber } from './arguments.ts'
import type { CliContext } from './context.ts'
import { caFileOf, dataFolderOf, type GlobalOptions, PORT_DEFAULT } from './credentials.ts'
import { type Check, type DoctorDeps, type DoctorRole, doctorRoles } from './doctor-check.ts'
import { exitCodes } from './exit-codes.ts'
import { QuietExit } from './quiet-exit.ts'
import { type Style, styleFor, type Tone } from './style.ts'
import { printable } from './table.ts'

type RunDoctor = (deps: DoctorDeps) => Promise<readonly Check[]>

/** Loaded when it is wanted: no other command needs it. */
const loadedDoctor: RunDoctor = async (deps) => (await import('./doctor-checks.ts')).runDoctor(deps)

/** `shoal doctor`: what is missing or wrong on this machine, with the fix. Ends with 1 when a check failed. */
export const doctorCommand = (context: CliContext, runDoctor: RunDoctor = loadedDoctor): Command =>
  new Command('doctor')
    .description('check what this machine has, and what is missing or wrong')
    .option('--port <port>', 'the port that the network is to use', wholeNumber(1, 65_535), PORT_DEFAULT)
    .addOption(
      new Option(
        '--for <role>',
        'what the machine is to do: run a network, serve one, operate one, run the tests',
      )
        .choices(doctorRoles)
        .default('up'),
    )
    .action(async ({ port, for: role }: { port: number; for: DoctorRole }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const { machine, clock, crypto, fetch, rootFolder, stdout, env } = context
      const dataFolder = dataFolderOf(context, options)
      // Whatever is asked over TLS: the network that is named, and the one of this data folder on its port.
      context.trustAuthorities(caFileOf(context, options))
      const networkUrl = options.url ?? (env['SHOAL_URL'] || null)
      const checks = await runDoctor({
        ...{ machine, clock, crypto, fetch, rootFolder },
        ...{ dataFolder, port, role, networkUrl },
      })
      stdout.write(
        options.json
          ? `${JSON.stringify({ role, checks }, null, 2)}\n`
          : `${formatChecks(checks, styleFor(stdout, env))}\n\n${verdictOn(checks, role)}\n`,
      )
      if (checks.some(({ status }) => status === 'fail')) throw new QuietExit(exitCodes.failed)
    })

const marks = { ok: '✓', note: '·', warn: '!', fail: '✗' } as const
const tones = { ok: 'good', note: 'dim', warn: 'warning', fail: 'bad' } as const satisfies Record<
  Check['status'],
  Tone
>

function formatChecks(checks: readonly Check[], style: Style): string {
  const widest = Math.max(0, ...checks.map(({ name }) => name.length))
  return checks
    .map(({ name, status, found, neededFor, fix }) => {
      const line = `${style(tones[status], marks[status])} ${name.padEnd(widest)}  ${printable(found)}`
      if (fix === null) return line
      const below = [`needed for ${printable(neededFor)}`, `→ ${printable(fix)}`]
      return [line, ...below.map((text) => `  ${' '.repeat(widest)}  ${style('dim', text)}`)].join('\n')
    })
    .join('\n')
}

const purposes = {
  up: 'to run a network with "shoal up"',
  provide: 'to serve a network with "shoal provide"',
  operate: 'to operate a network',
  test: 'to run the tests',
} satisfies Record<DoctorRole, string>

function verdictOn(checks: readonly Check[], role: DoctorRole): string {
  const count = (status: Check['status']) => checks.filter((check) => check.status === status).length
  const [failed, warned] = [count('fail'), count('warn')]
  if (failed > 0) return `Not fit yet ${purposes[role]}: mend what is marked ${marks.fail}.`
  if (warned > 0) return `Fit ${purposes[role]}, but for what is marked ${marks.warn}.`
  return `Nothing is missing ${purposes[role]}.`
}
