import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Command, CommanderError } from 'commander'
import { OwnerRulesConfig, TasksConfig } from './tasks-config.ts'
import { rulesOf, type TasksFlags, tasksOf, tasksOptions } from './tasks-flags.ts'

test('without a word a node takes tasks at any price and hour, and programs of jobs on its own network alone', () => {
  const flags = parse()
  assert.deepEqual(tasksOf(flags), {
    ...{ threads: null, device: 'CPU', cacheMib: null, askPerHour: 0n },
    ...{ takesCommands: true, onlyAudits: false },
  })
  assert.deepEqual(rulesOf(flags), { hours: null, yieldsToOthers: false, idleMinutes: null })
})

test('what is said is taken, and crosses to the agent’s process unchanged', () => {
  const flags = parse(
    ...[
      '--render-threads',
      '2',
      '--render-device',
      'OPTIX',
      '--render-cache-max',
      '10GiB',
      '--render-ask',
      '0.05',
    ],
    ...[
      '--no-job-commands',
      '--only-audits',
      '--hours',
      '22:00-07:30',
      '--pause-when-busy',
      '--idle-minutes',
      '10',
    ],
  )
  const tasks = tasksOf(flags)
  assert.deepEqual(tasks, {
    ...{ threads: 2, device: 'OPTIX', cacheMib: 10_240, askPerHour: 50_000_000n },
    ...{ takesCommands: false, onlyAudits: true },
  })
  assert.ok(tasks)
  assert.deepEqual(TasksConfig.parse(JSON.parse(JSON.stringify(TasksConfig.encode(tasks)))), tasks)
  const rules = { hours: { from: 1_320, to: 450 }, yieldsToOthers: true, idleMinutes: 10 }
  assert.deepEqual(OwnerRulesConfig.parse(rulesOf(flags)), rules)
})

test('for a network of others programs of jobs are taken only when that is said', () => {
  assert.equal(tasksOf(parseAs(false))?.takesCommands, false)
  assert.equal(tasksOf(parseAs(false, '--job-commands'))?.takesCommands, true)
})

test('a node that is told to take none takes none', () => {
  assert.equal(tasksOf(parse('--render', 'off', '--render-threads', '2')), null)
})

for (const [args, message] of [
  [['--hours', '22-7'], /two times such as 22:00-07:00/],
  [['--hours', '24:00-07:00'], /two times/],
  [['--hours', '07:00-07:00'], /These hours are none/],
  [['--render-threads', '0'], /whole number from 1/],
  [['--render-device', 'GPU'], /Allowed choices are CPU, CUDA/],
  [['--render', 'on'], /Allowed choices are auto, off/],
  [['--render-cache-max', '10'], /a size with its unit/],
  [['--idle-minutes', '-1'], /number from/],
] as const)
  test(`${args.join(' ')} is refused with what is expected`, () => {
    assert.throws(
      () => parse(...args),
      (error) => error instanceof CommanderError && message.test(error.message),
    )
  })

const parse = (...args: string[]): TasksFlags => parseAs(true, ...args)

function parseAs(isOwnNetwork: boolean, ...args: string[]): TasksFlags {
  const command = new Command('node').exitOverride().configureOutput({ writeErr: () => undefined })
  for (const option of tasksOptions({ isOwnNetwork })) command.addOption(option)
  command.parse(args, { from: 'user' })
  return command.opts<TasksFlags>()
}
