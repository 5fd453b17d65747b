/** `shoal top`: what the network does at this moment, on a full screen. */
import { Command, InvalidArgumentError } from 'commander'
import type { CliContext } from '#cli/context.ts'
import type { GlobalOptions } from '#cli/credentials.ts'
import { runSession, show } from '#cli/session.ts'
import { topPage } from '#cli/top-view.ts'
import { routes } from '#protocol/routes.ts'

interface TopOptions extends GlobalOptions {
  readonly once?: true
  readonly interval: number
}

/** Of output that is no terminal. */
const COLUMNS_DEFAULT = 120
const MS_PER_S = 1_000

export const topCommand = (context: CliContext): Command =>
  new Command('top')
    .description('watch the network at work: models, nodes, requests (q quits)')
    .option('--once', 'print what there is now, and end')
    .option('--interval <seconds>', 'between two looks', parseInterval, 1)
    .action((_options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const { once, interval, json } = command.optsWithGlobals<TopOptions>()
        const { signal, style } = session
        const { stdout, stdin } = context
        const read = () => session.operator.getLive()
        const first = await read()
        const isScreen = stdout.isTty && stdin.isTty && context.env['TERM'] !== 'dumb'
        if (once || json || !isScreen) {
          const width = stdout.columns ?? COLUMNS_DEFAULT
          return show(session, routes.getLive.reply, first, () => topPage(first, { width, style }))
        }
        const { showTop } = await import('./top-screen.ts')
        await showTop({ read, first, intervalMs: interval * MS_PER_S, style, signal })
      }),
    )

function parseInterval(text: string): number {
  const seconds = Number(text)
  if (seconds >= 0.2 && seconds <= 3_600) return seconds
  throw new InvalidArgumentError('Expected seconds, from 0.2 to 3600.')
}
