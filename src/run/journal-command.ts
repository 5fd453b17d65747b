/** `shoal journal`: verifies and copies the journal of a network that does not run. */
import { Command } from 'commander'
import type { CliContext } from '#cli/context.ts'
import { databaseOption } from './cell-flags.ts'
import type { JournalOptions } from './journal-work.ts'

export const journalCommand = (context: CliContext): Command =>
  new Command('journal')
    .description("verify and copy a network's journal")
    .addCommand(verifyCommand(context))
    .addCommand(exportCommand(context))
    .addCommand(importCommand(context))

/** Loaded when it is needed: it brings the coordinator and the databases along. */
const work = () => import('./journal-work.ts')

const verifyCommand = (context: CliContext): Command =>
  new Command('verify')
    .description('check every entry, replay them all, and tell the state that they come to')
    .addOption(databaseOption())
    .action(async (_options: unknown, command: Command) =>
      (await work()).verifyJournal(context, command.optsWithGlobals<JournalOptions>()),
    )

const exportCommand = (context: CliContext): Command =>
  new Command('export')
    .description('copy it to a file of JSON lines; "-" for the standard output')
    .argument('<file>')
    .addOption(databaseOption())
    .action(async (file: string, _options: unknown, command: Command) =>
      (await work()).exportJournal(context, command.optsWithGlobals<JournalOptions>(), file),
    )

const importCommand = (context: CliContext): Command =>
  new Command('import')
    .description('copy an exported journal into an empty place; it keeps its id and its numbers')
    .argument('<file>')
    .addOption(databaseOption())
    .action(async (file: string, _options: unknown, command: Command) =>
      (await work()).importJournal(context, command.optsWithGlobals<JournalOptions>(), file),
    )
