import type { CliContext } from '#cli/context.ts'
import type { Style } from '#cli/style.ts'
import { printable } from '#cli/table.ts'

/** Writes a line for whoever runs the program. What a network or a node says in it cannot steer the terminal. */
export const screenNote =
  ({ stderr }: Pick<CliContext, 'stderr'>, style: Style) =>
  (text: string): void =>
    void stderr.write(`${style('dim', `shoal: ${printable(text)}`)}\n`)
