import { Command } from 'commander'
import type { CliContext } from './context.ts'
import type { GlobalOptions } from './credentials.ts'

/** `shoal gpus`: what is known of each GPU, with dates; the catalogue is loaded when it is wanted. */
export const gpusCommand = (context: CliContext): Command =>
  new Command('gpus')
    .description('list the GPUs that are known, with prices and what they rent for')
    .argument('[search...]', 'words of its name, as `4090` or `rtx 30`')
    .action(async (words: string[], _options: unknown, command: Command) =>
      (await import('./gpu-list.ts')).runGpuList(context, words, command.optsWithGlobals<GlobalOptions>()),
    )
