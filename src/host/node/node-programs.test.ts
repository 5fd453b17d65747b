import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { getPriority } from 'node:os'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { ProgramExit, ProgramLimits, RunningProgram } from '#host/programs.ts'
import { createNodePrograms } from './node-programs.ts'
import { watchTree } from './process-usage.ts'

const skip = spawnSync('prlimit', ['--version']).status !== 0 && 'no prlimit'
const noPython = spawnSync('python3', ['--version']).status !== 0 && 'no Python'

test('lines go in on one pipe and out on another, whatever is printed', { skip }, async () => {
  const { exit, lines, output } = await run('echo noise; read line <&3; echo "heard $line" >&4; exit 3', {
    onStart: (program) => program.sendLine('hello'),
  })
  assert.deepEqual(lines, ['heard hello'])
  assert.equal(output, 'noise\n')
  assert.deepEqual(exit, { code: 3, signal: null, reason: null })
})

test('a program that eats memory is ended, and told as that', { skip }, async () => {
  const eat = 'x=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; while :; do x=$x$x; done'
  const { exit } = await run(eat, { limits: { ...none, memoryBytes: 64 * 2 ** 20 } })
  assert(exit.reason === 'memory' || exit.code === 2, JSON.stringify(exit))
})

test('memory that no process maps counts where there are no groups', { skip: skip || noPython }, async () => {
  // 256 MiB in a file in memory, and then nothing more: only its descriptor tells of it.
  const fill = 'import os, time; f = os.memfd_create("x"); [os.write(f, bytes(1 << 20)) for _ in range(256)]'
  const { exit } = await run(`exec python3 -c '${fill}; time.sleep(20)'`, {
    limits: { ...none, memoryBytes: 128 * 2 ** 20 },
    usesGroups: false,
  })
  assert.equal(exit.reason, 'memory')
})

test('a file that was unlinked counts while it is open', { skip }, async () => {
  let diskBytes = 0
  await run('exec 9>"$OUT"; rm "$OUT"; head -c 3000000 /dev/zero >&9; echo there >&4; read line <&3', {
    env: { OUT: `/tmp/shoal-unlinked-${process.pid}` },
    onLine(_, program) {
      diskBytes = program.usage().nameless.diskBytes
      program.sendLine('go')
    },
  })
  assert(diskBytes >= 3_000_000, String(diskBytes))
})

test('a program that forks without end ends, and leaves nothing behind', { skip }, async () => {
  const { exit, pid } = await run('bomb() { bomb | bomb & }; bomb; sleep 0.5; exit 0', {
    limits: { ...none, processes: 40 },
  })
  assert(exit !== null)
  assert.equal(watchTree(pid ?? -1)().processes, 0)
})

test('a file beyond its size is cut off there', { skip }, async () => {
  const { exit } = await run(
    'head -c 3000000 /dev/zero > /dev/null; exec head -c 3000000 /dev/zero > "$OUT"',
    {
      limits: { ...none, fileBytes: 1_000_000 },
      env: { OUT: `/tmp/shoal-programs-${process.pid}` },
    },
  )
  spawnSync('rm', ['-f', `/tmp/shoal-programs-${process.pid}`])
  assert.equal(exit.signal, 'SIGXFSZ')
})

test('killing it kills what it started', { skip }, async () => {
  let child = 0
  const { exit } = await run('sleep 60 & echo $! >&4; wait', {
    onLine: (line, program) => {
      child = Number(line)
      program.kill()
    },
  })
  assert.equal(exit.signal, 'SIGKILL')
  assert(child > 0)
  // Its pipes close a moment before it is gone; if it never were, the test would not end.
  while (watchTree(child)().processes > 0) await turn()
})

test('a program and what it starts give way to who started it', { skip }, async () => {
  const { lines } = await run('sleep 0.2; nice >&4; (nice >&4)', {})
  assert.deepEqual(lines, [`${getPriority() + 5}`, `${getPriority() + 5}`])
})

test('a program that is not there is told as missing', { skip }, async () => {
  const exit = await new Promise<ProgramExit>((onExit) =>
    createNodePrograms().start(
      { program: 'no-such-program', args: [], env: { PATH: '/usr/bin:/bin' }, limits: none },
      { onLine: () => undefined, onOutput: () => undefined, onExit },
    ),
  )
  assert.equal(exit.reason, 'missing')
})

const none: ProgramLimits = { memoryBytes: null, processes: null, fileBytes: null }

interface RunOptions {
  readonly limits?: ProgramLimits
  readonly usesGroups?: boolean
  readonly env?: Readonly<Record<string, string>>
  readonly onStart?: (program: RunningProgram) => void
  readonly onLine?: (line: string, program: RunningProgram) => void
}

async function run(script: string, options: RunOptions) {
  const lines: string[] = []
  let output = ''
  const ended = Promise.withResolvers<ProgramExit>()
  const program: RunningProgram = createNodePrograms({ usesGroups: options.usesGroups ?? true }).start(
    {
      program: 'sh',
      args: ['-c', script],
      env: { PATH: '/usr/bin:/bin', ...options.env },
      limits: options.limits ?? none,
    },
    {
      onLine: (line) => {
        lines.push(line)
        options.onLine?.(line, program)
      },
      onOutput: (text) => {
        output += text
      },
      onExit: ended.resolve,
    },
  )
  options.onStart?.(program)
  const exit = await ended.promise
  return { exit, lines, output, pid: program.pid }
}
