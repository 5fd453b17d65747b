import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Command } from 'commander'
import { Problem, type ProblemCode, problemKinds } from '#protocol/problem.ts'
import { doctorCommand } from './doctor.ts'
import type { Check } from './doctor-check.ts'
import { exitCodeMeanings, exitCodeOf } from './exit-codes.ts'
import { createProgram, runProgram } from './program.ts'
import { createStubTerminal } from './stub-context.ts'

const manual = readFileSync(new URL('../../docs/reference/cli.md', import.meta.url), 'utf8')

test('the manual has every command, each with an example', () => {
  for (const command of setup().program.commands) {
    assert.match(manual, new RegExp(`^## ${command.name()}$`, 'm'))
    assert.match(manual, new RegExp(`shoal ${command.name()}`))
    for (const child of command.commands)
      assert.match(manual, new RegExp(`shoal ${command.name()} .*${child.name()}`))
  }
})

test('the manual has the exit codes of the code', () => {
  const rows = [...manual.matchAll(/^\| (\d+) \| (.+) \|$/gm)].map(([, code, meaning]) => [code, meaning])
  assert.deepEqual(rows, Object.entries(exitCodeMeanings))
})

test('each problem ends the command with its exit code, its message and nothing else', async () => {
  for (const code of Object.keys(problemKinds) as ProblemCode[]) {
    const { run } = setup((program) => {
      program.addCommand(new Command('fail').action(() => Promise.reject(new Problem(code, 'It is so.'))))
    })
    const { exitCode, out, err } = await run('fail')
    assert.deepEqual([exitCode, out], [exitCodeOf[code], ''])
    assert.equal(err, code === 'cancelled' ? 'It is so.\n' : 'shoal: It is so.\n')
  }
})

test('a bug is told with where it happened', async () => {
  const { run } = setup((program) => {
    program.addCommand(new Command('fail').action(() => Promise.reject(new TypeError('oops'))))
  })
  const { exitCode, err } = await run('fail')
  assert.equal(exitCode, 1)
  assert.match(err, /please report this:\nTypeError: oops\n +at /)
})

test('help and version are results; no command at all is a mistake', async () => {
  const { run } = setup()
  for (const line of [['--help'], ['help'], ['help', 'chat'], ['nodes', '--help']]) {
    const { exitCode, out } = await run(...line)
    assert.deepEqual([exitCode, out.startsWith('Usage: shoal')], [0, true], line.join(' '))
  }
  assert.match((await run('--version')).out, /^\d+\.\d+\.\d+\n$/)
  assert.equal((await run()).exitCode, 2)
})

test('commands given from outside come first and share the options', async () => {
  const seen: unknown[] = []
  const up = new Command('up').action((_options: unknown, command: Command) => {
    seen.push(command.optsWithGlobals())
  })
  const { context } = createStubTerminal({ fetch: () => assert.fail('nothing is asked') })
  const program = createProgram(context, [up])
  assert.equal(program.commands[0]?.name(), 'up')
  assert.equal(await runProgram(program, context, ['up', '--data', '/x', '--json']), 0)
  assert.deepEqual(seen, [{ data: '/x', json: true }])
})

test('doctor says what is wrong and how to mend it, and fails only when something does', async () => {
  const fine: Check = { name: 'Node', status: 'ok', found: '24.21.0', neededFor: 'all', fix: null }
  const meagre: Check = {
    name: 'Memory',
    status: 'warn',
    found: '1.0 GiB',
    neededFor: 'models',
    fix: 'More.',
  }
  const wrong: Check = {
    name: 'Disk',
    status: 'fail',
    found: 'full',
    neededFor: 'the journal',
    fix: 'Free some.',
  }
  const { run } = setupDoctor([fine, meagre])
  assert.deepEqual(await run('doctor'), {
    exitCode: 0,
    out: '✓ Node    24.21.0\n! Memory  1.0 GiB\n          needed for models\n          → More.\n\nFit to run a network with "shoal up", but for what is marked !.\n',
    err: '',
  })
  const failed = await setupDoctor([fine, wrong]).run('doctor', '--json')
  assert.equal(failed.exitCode, 1)
  assert.deepEqual(JSON.parse(failed.out), { role: 'up', checks: [fine, wrong] })
})

test('doctor looks at the folder, the port and the role that it is told', async () => {
  const { run, asked } = setupDoctor([])
  await run('doctor')
  await run('doctor', '--data', '/srv/shoal', '--port', '80', '--for', 'test', '--url', 'http://a')
  assert.deepEqual(asked, [
    ['/home/ada/.shoal', 7420, 'up', null],
    ['/srv/shoal', 80, 'test', 'http://a'],
  ])
})

test('doctor believes the authorities that every command takes, before it asks anything', async () => {
  const { run, trusted } = setupDoctor([], { SHOAL_CA: 'kept.pem' })
  await run('doctor', '--url', 'https://a', '--ca', 'given.pem')
  await run('doctor')
  assert.deepEqual(trusted, ['given.pem', 'asked', 'kept.pem', 'asked'])
})

/** The whole program, after `change` had its way with it. */
function setup(change: (program: Command) => void = () => {}) {
  const { context, written } = createStubTerminal({ fetch: () => assert.fail('nothing is asked') })
  const extra = new Command('extra')
  change(extra)
  const program = createProgram(context, [...extra.commands])
  const run = async (...commandLine: readonly string[]) => {
    Object.assign(written, { out: '', err: '' })
    const exitCode = await runProgram(program, context, commandLine)
    return { exitCode, ...written }
  }
  return { program, run }
}

/** A program of `doctor` alone, which finds `checks`. */
function setupDoctor(checks: readonly Check[], env: Readonly<Record<string, string>> = {}) {
  const trusted: (string | null)[] = []
  const { context, written } = createStubTerminal({
    fetch: () => assert.fail('nothing is asked'),
    env,
    parts: { trustAuthorities: (file) => void trusted.push(file) },
  })
  const asked: [string, number, string, string | null][] = []
  const run = async (...commandLine: readonly string[]) => {
    Object.assign(written, { out: '', err: '' })
    const doctor = doctorCommand(context, async ({ dataFolder, port, role, networkUrl }) => {
      trusted.push('asked')
      asked.push([dataFolder, port, role, networkUrl])
      return checks
    })
    const program = new Command('shoal')
      .option('--data <folder>')
      .option('--url <url>')
      .option('--ca <file>')
      .option('--json')
      .addCommand(doctor)
    const exitCode = await runProgram(program, context, commandLine)
    return { exitCode, ...written }
  }
  return { run, asked, trusted }
}
