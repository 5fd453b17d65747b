/** `shoal job submit`: the command; what it does is in `submit-job.ts`, which alone loads a reader of YAML. */
import { Command, Option } from 'commander'
import { Tier } from '#protocol/job.ts'
import { wholeNumber } from '../arguments.ts'
import type { CliContext } from '../context.ts'
import { runSession } from '../session.ts'

export interface SubmitOptions {
  readonly param: readonly string[]
  readonly folder?: string
  readonly blender: string
  readonly tier: string
  readonly budget?: string
  readonly priority: number
  readonly estimate: number
  readonly out?: string
  readonly taskFolders?: true
  readonly yes?: true
  readonly watch?: true
}

export const submitJobCommand = (context: CliContext): Command =>
  new Command('submit')
    .description('begin a job of a job file (Open Job Description), with the files that it names')
    .argument('<file>', 'YAML or JSON')
    .option('-p, --param <name=value>', 'a parameter of the job; once for each', gather, [])
    .option(
      '--folder <folder>',
      'send all of this folder (default: what its PATH parameters name, beside the file)',
    )
    .addOption(
      new Option('--tier <tier>', 'whose nodes, at which price').choices(Tier.options).default('priority'),
    )
    .option('--budget <usd>', 'the most that it may cost (default: what the quote says)')
    .option('--priority <number>', 'place in line among your own jobs, 0 to 100', wholeNumber(0, 100), 50)
    .option(
      '--estimate <seconds>',
      'how long a command takes on a node of speed 1',
      wholeNumber(1, 604_800),
      60,
    )
    .option('--blender <program>', 'the Blender of this machine, which looks through its scenes', 'blender')
    .option('-o, --out <folder>', 'where results go (default: a folder named like the job)')
    .option('--task-folders', "each task's files in a folder of its own")
    .option('-y, --yes', 'begin without a question')
    .option('-w, --watch', 'stay until it is over, and get the results as they are done')
    .action((file: string, options: SubmitOptions, command: Command) =>
      runSession(context, command, async (session) => {
        const { submitJob } = await import('./submit-job.ts')
        await submitJob(session, file, options)
      }),
    )

const gather = (text: string, before: readonly string[]): readonly string[] => [...before, text]
