/** `shoal`: the commands together, and how a run of them ends. */
import { Command, CommanderError } from 'commander'
import { AssertionError } from '#kernel/assert.ts'
import { Problem, toProblemDetails } from '#protocol/problem.ts'
import { VERSION } from '#protocol/version.ts'
import { accountsCommand } from './accounts.ts'
import { alertsCommand } from './alerts.ts'
import { auditCommand } from './audit.ts'
import { batchCommand } from './batch.ts'
import { chatCommand } from './chat.ts'
import type { CliContext } from './context.ts'
import type { GlobalOptions } from './credentials.ts'
import { doctorCommand } from './doctor.ts'
import { type ExitCode, exitCodeOf, exitCodes } from './exit-codes.ts'
import { gpusCommand } from './gpus.ts'
import { jobCommand } from './jobs/job.ts'
import { jobsCommand } from './jobs/jobs.ts'
import { keysCommand } from './keys.ts'
import { membersCommand } from './members.ts'
import { modelsCommand } from './models.ts'
import { nodesCommand } from './nodes.ts'
import { payoutsCommand } from './payouts.ts'
import { projectsCommand } from './projects.ts'
import { QuietExit } from './quiet-exit.ts'
import { readModelsCommand } from './read-models.ts'
import { receiptsCommand, verifyCommand } from './receipts.ts'
import { renderCommand } from './render/render.ts'
import { roiCommand } from './roi.ts'
import { serviceAccountsCommand } from './service-accounts.ts'
import { simCommand } from './sim/sim.ts'
import { slaCommand } from './sla.ts'
import { statusCommand } from './status.ts'
import { styleFor } from './style.ts'
import { printable } from './table.ts'
import { takeoverCommand } from './takeover.ts'
import { usageCommand } from './usage.ts'

/** The whole command line: `extraCommands` (those that run parts of a network) first. Run it with `runProgram`. */
export function createProgram(context: CliContext, extraCommands: readonly Command[] = []): Command {
  const program = new Command('shoal')
    .description('An open GPU network: run one, join one, or use one.')
    .version(VERSION, '-V, --version', 'print the version')
    .option('--url <url>', "the network's API (default: SHOAL_URL, or the network of this data folder)")
    .option('--key <key>', 'the API key (default: SHOAL_API_KEY, or the one kept in the data folder)')
    .option('--data <folder>', "the network's data folder (default: ~/.shoal)")
    .option('--ca <file>', 'believe also certificates by these authorities, in PEM form (default: SHOAL_CA)')
    .option('--json', 'print one JSON document; amounts are billionths of a US dollar')
    .helpCommand('help [command]', 'explain a command')
    .configureHelp({
      showGlobalOptions: true,
      subcommandTerm: (command) => `${command.name()} ${command.usage()}`.trim(),
    })
    .showHelpAfterError('(add --help for what there is)')
  const commands = [
    ...extraCommands,
    chatCommand(context),
    batchCommand(context),
    renderCommand(context),
    jobsCommand(context),
    jobCommand(context),
    statusCommand(context),
    modelsCommand(context),
    nodesCommand(context),
    accountsCommand(context),
    usageCommand(context),
    payoutsCommand(context),
    keysCommand(context),
    alertsCommand(context),
    membersCommand(context),
    serviceAccountsCommand(context),
    projectsCommand(context),
    auditCommand(context),
    receiptsCommand(context),
    verifyCommand(context),
    slaCommand(context),
    roiCommand(context),
    simCommand(context),
    gpusCommand(context),
    doctorCommand(context),
    readModelsCommand(context),
    takeoverCommand(context),
  ]
  for (const command of commands) program.addCommand(command)
  configure(program, context)
  return program
}

/** Commander takes its settings at each command; they are the same for all. */
function configure(command: Command, context: CliContext): void {
  const { stdout, stderr, env } = context
  command.exitOverride().configureOutput({
    // As every other refusal begins.
    outputError: (text, write) => write(text.replace(/^error:/, styleFor(stderr, env)('bad', 'shoal:'))),
    writeOut: (text) => stdout.write(text),
    writeErr: (text) => stderr.write(text),
    getOutHelpWidth: () => stdout.columns ?? 100,
    getErrHelpWidth: () => stderr.columns ?? 100,
  })
  if (command.parent) command.copyInheritedSettings(command.parent)
  for (const child of command.commands) configure(child, context)
}

/** Runs one command line (without the program's own name) and says how it ended. Never rejects. */
export async function runProgram(
  program: Command,
  context: CliContext,
  commandLine: readonly string[],
): Promise<ExitCode> {
  try {
    await program.parseAsync([...commandLine], { from: 'user' })
    return exitCodes.ok
  } catch (error) {
    return report(error, context, { ...program.opts<GlobalOptions>(), json: commandLine.includes('--json') })
  }
}

function report(error: unknown, context: CliContext, options: GlobalOptions): ExitCode {
  // Commander has said itself what is wrong, or printed what was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  if (error instanceof QuietExit) return error.exitCode
  const { stderr, env } = context
  if (error instanceof Problem) {
    const style = styleFor(stderr, env)
    if (options.json) stderr.write(`${JSON.stringify(toProblemDetails(error))}\n`)
    else if (error.code === 'cancelled') stderr.write(`${style('dim', error.message)}\n`)
    else stderr.write(`${style('bad', 'shoal:')} ${printable(error.message)}\n`)
    return exitCodeOf[error.code]
  }
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error)
  const kind = error instanceof AssertionError ? 'found itself in the wrong' : 'made a mistake'
  stderr.write(`shoal ${kind}; please report this:\n${what}\n`)
  return exitCodes.failed
}
