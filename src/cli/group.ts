import { Command } from 'commander'
import { Problem } from '#protocol/problem.ts'

/**
 * A command of commands. `first` runs when none is named; a word that names none reaches it as an argument, and is
 * answered with what there is.
 */
export function groupCommand(
  group: { readonly name: string; readonly description: string },
  first: Command,
  others: readonly Command[],
): Command {
  const command = new Command(group.name).description(group.description)
  first.usage('[options]').argument('[word]', undefined, (word: string) => refuseWord(command, word))
  command.addCommand(first, { isDefault: true })
  for (const other of others) command.addCommand(other)
  return command
}

/** Throws: `word` is no command of `group`. */
export function refuseWord(group: Command, word: string): never {
  const names = group.commands.map((command) => command.name()).join(', ')
  throw new Problem(
    'invalid_request',
    `\`shoal ${group.name()}\` has no command \`${word}\`. It has: ${names}. See \`shoal ${group.name()} --help\`.`,
  )
}
