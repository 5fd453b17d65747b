/** The command line as a program: builds the real context, adds the commands that run parts of a network, and runs what was asked. */
import { existsSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CliContext } from '#cli/context.ts'

/** Of the clone or of the package: this file is as deep in either. */
const rootFolder = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

// Before anything else is loaded: halves the time of every command after the first. Children take it from the environment.
process.env['NODE_COMPILE_CACHE'] ??= cacheFolder()
enableCompileCache(process.env['NODE_COMPILE_CACHE'])

const { createProgram, runProgram } = await import('#cli/program.ts')
const { createNodeCliContext } = await import('#host/node/node-cli-context.ts')
const { coordinatorCommand, gatewayCommand } = await import('./cell-commands.ts')
const { earningsCommand } = await import('./earnings-command.ts')
const { engineCommand } = await import('./engine-command.ts')
const { journalCommand } = await import('./journal-command.ts')
const { provideCommand } = await import('./provide-command.ts')
const { topCommand } = await import('./top-command.ts')
const { upCommand } = await import('./up-command.ts')

const context: CliContext = {
  ...createNodeCliContext({ rootFolder }),
  ownHistory: async (question) => (await import('./own-history.ts')).readOwnHistory(question),
  jobTools: async () => (await import('./job-tools.ts')).createJobTools(),
}
const program = createProgram(context, [
  upCommand(context),
  coordinatorCommand(context),
  gatewayCommand(context),
  provideCommand(context),
  earningsCommand(context),
  engineCommand(context),
  journalCommand(context),
  topCommand(context),
])
process.exitCode = await runProgram(program, context, process.argv.slice(2))

/** Beside the packages in a clone; an installed package may belong to somebody else, and its folder is npm's. */
function cacheFolder(): string {
  if (existsSync(join(rootFolder, 'bootstrap.mjs'))) return join(rootFolder, 'node_modules/.cache/compiled')
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'shoal/compiled')
}
