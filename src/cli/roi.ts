import { Command, Option } from 'commander'
import { decimal } from './arguments.ts'
import type { CliContext } from './context.ts'
import { readRates, withRoiOptions } from './roi-options.ts'

/** `shoal roi`: what a GPU really earns. The economics are loaded when they are wanted: no other command needs them. */
export function roiCommand(context: CliContext): Command {
  const command = new Command('roi')
    .description('what a GPU really earns after electricity, idle hours, fees and its fall in value')
    .action(async (_options: unknown, command: Command) =>
      (await import('./roi-estimate.ts')).runEstimate(context, command.optsWithGlobals()),
    )
  return withRoiOptions(command).addCommand(compareCommand(context))
}

/** The options of `roi` hold here too, wherever they stand. */
const compareCommand = (context: CliContext): Command =>
  new Command('compare')
    .description(
      'where it should work: networks ranked, each with the reason why (takes the options of roi too)',
    )
    .addOption(
      new Option('--os <system>', 'of the machine; what is not said excludes no network').choices([
        'linux',
        'windows',
        'macos',
      ]),
    )
    .option('--ram <gb>', 'memory of the machine', decimal(1, 100_000))
    .option('--storage <gb>', 'free fast storage', decimal(1, 10_000_000))
    .option('--down <mbps>', 'internet, towards you', decimal(0.1, 1_000_000))
    .option('--up <mbps>', 'internet, from you', decimal(0.1, 1_000_000))
    .option('--dedicated', 'the machine is used for nothing else')
    .option('--power-limited', 'its GPUs are undervolted or power-limited')
    .option('--stake <usd>', 'what you would stake at most', decimal(0, 100_000_000))
    .option(
      '--token-usd <token=usd>',
      'what a token is worth, as RENDER=3.10',
      readRates(/^[A-Z0-9]{2,12}$/, 'RENDER=3.10'),
    )
    .option(
      '--network-price <id=usd>',
      'what you know renters to pay for a GPU-hour there',
      readRates(/^[\w-]{1,40}$/, 'akash=0.30'),
    )
    .action(async (_options: unknown, command: Command) =>
      (await import('./roi-compare.ts')).runCompare(context, command.optsWithGlobals()),
    )
