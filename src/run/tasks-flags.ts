/** The options of `up` and `provide` that say what a node gives to rendering and other tasks, and when the machine is its owner's. */
import { InvalidArgumentError, Option } from 'commander'
import { decimal, wholeNumber } from '#cli/arguments.ts'
import { Device } from '#engines/blender/blender-messages.ts'
import type { NanoUsd } from '#kernel/money.ts'
import { parseMoney } from './energy-flags.ts'
import { parseMib } from './hosting-flags.ts'
import type { OwnerRulesConfig, TasksConfig } from './tasks-config.ts'

export interface TasksFlags {
  readonly render: 'auto' | 'off'
  readonly renderThreads?: number
  readonly renderDevice: Device
  readonly renderCacheMax?: number
  readonly renderAsk: NanoUsd
  readonly jobCommands?: boolean
  readonly onlyAudits?: true
  readonly hours?: NonNullable<OwnerRulesConfig['hours']>
  readonly pauseWhenBusy?: true
  readonly idleMinutes?: number
}

const THREADS_MAX = 1_024
const DAY_MINUTES = 1_440

/**
 * `isOwnNetwork`: the jobs are of one's own network, so that their programs run unless it is said otherwise. For others'
 * networks an owner has to say that strangers may run programs here.
 */
export const tasksOptions = ({ isOwnNetwork }: { readonly isOwnNetwork: boolean }): Option[] => [
  new Option('--render <auto|off>', 'take rendering and other tasks where Blender and bubblewrap are there')
    .choices(['auto', 'off'])
    .default('auto'),
  new Option('--render-threads <count>', 'threads that render (default: all)').argParser(
    wholeNumber(1, THREADS_MAX),
  ),
  new Option('--render-device <device>', 'what renders').choices(Device.options).default('CPU'),
  new Option(
    '--render-cache-max <size>',
    'disk for files of jobs; the longest unused go first (default: half of what is free, at most 50 GiB)',
  ).argParser(parseMib),
  new Option('--render-ask <usd>', 'the least that an hour of tasks on this machine brings, in USD')
    .argParser(parseMoney)
    .default(0n, '0: any price'),
  isOwnNetwork
    ? new Option(
        '--no-job-commands',
        'run no programs that jobs bring along, nor scripts in scenes: only Blender and ffmpeg',
      )
    : new Option(
        '--job-commands',
        'also run programs that strangers’ jobs bring along, and scripts in their scenes, in a sandbox',
      ),
  new Option('--only-audits', 'only render again what others made, to check it'),
  new Option(
    '--hours <from-to>',
    'work only in these hours, by the clocks of this machine: 22:00-07:00',
  ).argParser(parseHours),
  new Option('--pause-when-busy', 'rest while other programs use the GPU, or half of the processor'),
  new Option('--idle-minutes <minutes>', 'work only after nobody used this machine for so long').argParser(
    decimal(0.1, DAY_MINUTES),
  ),
]

/** `null` where no tasks are taken. */
export function tasksOf(flags: TasksFlags): TasksConfig | null {
  if (flags.render === 'off') return null
  return {
    threads: flags.renderThreads ?? null,
    device: flags.renderDevice,
    cacheMib: flags.renderCacheMax ?? null,
    askPerHour: flags.renderAsk,
    takesCommands: flags.jobCommands === true,
    onlyAudits: flags.onlyAudits === true,
  }
}

export const rulesOf = ({ hours, pauseWhenBusy, idleMinutes }: TasksFlags): OwnerRulesConfig => ({
  hours: hours ?? null,
  yieldsToOthers: pauseWhenBusy === true,
  idleMinutes: idleMinutes ?? null,
})

function parseHours(text: string): NonNullable<OwnerRulesConfig['hours']> {
  const [, ...numbers] = /^(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})$/.exec(text.trim()) ?? []
  const [fromHour = 99, fromMinute = 99, toHour = 99, toMinute = 99] = numbers.map(Number)
  const isRight =
    [fromHour, toHour].every((hour) => hour < 24) && [fromMinute, toMinute].every((minute) => minute < 60)
  if (!isRight) throw new InvalidArgumentError('Expected two times such as 22:00-07:00.')
  const hours = { from: fromHour * 60 + fromMinute, to: toHour * 60 + toMinute }
  if (hours.from !== hours.to) return hours
  throw new InvalidArgumentError(
    'These hours are none: the two times are the same. Leave it out to work always.',
  )
}
