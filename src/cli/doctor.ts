import { Command } from 'commander'
import { wholeNumber } from './arguments.ts'
import type { CliContext } from './context.ts'
import { dataFolderOf, type GlobalOptions, PORT_DEFAULT } from './credentials.ts'
import type { Check, DoctorDeps } from './doctor-checks.ts'
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
    .action(async ({ port }: { port: number }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const { machine, clock, crypto, rootFolder, stdout, env } = context
      const dataFolder = dataFolderOf(context, options)
      const checks = await runDoctor({ machine, clock, crypto, rootFolder, dataFolder, port })
      stdout.write(
        options.json
          ? `${JSON.stringify({ checks }, null, 2)}\n`
          : `${formatChecks(checks, styleFor(stdout, env))}\n`,
      )
      if (checks.some(({ status }) => status === 'fail')) throw new QuietExit(exitCodes.failed)
    })

const marks = { ok: '✓', warn: '!', fail: '✗' } as const
const tones = { ok: 'good', warn: 'warning', fail: 'bad' } as const satisfies Record<Check['status'], Tone>

function formatChecks(checks: readonly Check[], style: Style): string {
  const widest = Math.max(0, ...checks.map(({ name }) => name.length))
  return checks
    .map(({ name, status, found, fix }) => {
      const line = `${style(tones[status], marks[status])} ${name.padEnd(widest)}  ${printable(found)}`
      return fix === null ? line : `${line}\n  ${' '.repeat(widest)}  ${style('dim', `→ ${printable(fix)}`)}`
    })
    .join('\n')
}
