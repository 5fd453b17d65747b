import { Command } from 'commander'
import { routes } from '#protocol/routes.ts'
import type { CliContext } from './context.ts'
import { runSession, show } from './session.ts'

/** `shoal takeover`: sent to a coordinator that stands by. */
export const takeoverCommand = (context: CliContext): Command =>
  new Command('takeover')
    .description(
      'make a coordinator that stands by take over; give its own address with --url, and an operator key',
    )
    .action((_options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const health = await session.operator.takeOver()
        show(
          session,
          routes.takeOver.reply,
          health,
          () =>
            `${session.connection.apiUrl} takes over: it leads within a second or two, and the old leader stops.`,
        )
      }),
    )
