import { Command } from 'commander'
import { formatDuration } from '#kernel/time.ts'
import { routes } from '#protocol/routes.ts'
import type { CliContext } from './context.ts'
import { formatCount } from './format.ts'
import { runSession, show } from './session.ts'

/** `shoal read-models`: the tables behind lists and statements. */
export const readModelsCommand = (context: CliContext): Command =>
  new Command('read-models').description('the tables behind lists and statements').addCommand(
    new Command('rebuild')
      .description('empty them and project the whole journal again (operators only)')
      .action((_options: unknown, command: Command) =>
        runSession(context, command, async (session) => {
          const rebuild = await session.operator.rebuildReadModels()
          show(
            session,
            routes.rebuildReadModels.reply,
            rebuild,
            () =>
              `Rebuilt up to journal entry ${formatCount(rebuild.appliedSequence)} in ${formatDuration(rebuild.durationMs)}.`,
          )
        }),
      ),
  )
