#!/usr/bin/env node
/** The command line: builds the real context, adds the commands that run parts of a network, and runs what was asked. */
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createProgram, runProgram } from '#cli/program.ts'
import { createNodeCliContext } from '#host/node/node-cli-context.ts'
import { provideCommand } from '#run/provide-command.ts'
import { upCommand } from '#run/up-command.ts'

const rootFolder = dirname(dirname(fileURLToPath(import.meta.url)))
const context = createNodeCliContext({ rootFolder })
const program = createProgram(context, [upCommand(context), provideCommand(context)])
process.exitCode = await runProgram(program, context, process.argv.slice(2))
