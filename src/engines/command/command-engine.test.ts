import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { nodeClock } from '#host/node/node-clock.ts'
import { createNodePrograms } from '#host/node/node-programs.ts'
import { nodeTaskFiles } from '#host/node/node-task-files.ts'
import { Problem } from '#protocol/problem.ts'
import { failureClassOf } from '#protocol/task-failure.ts'
import { createCommandEngine, taskLimitMs } from './command-engine.ts'

const skip = spawnSync('bwrap', ['--version']).status !== 0 && 'no bwrap'

test('a program finds its inputs and its files, and what it leaves is handed over', { skip }, async () => {
  const { root, outFolder, open, scratch } = setup()
  writeFileSync(join(root, 'a.txt'), 'hello')
  const session = await open({
    command: '{{Task.File.Run}}',
    args: ['{{Shoal.Inputs}}/a.txt', '{{Task.Param.Frame}}', '{{ Session.WorkingDirectory }}'],
    env: { GREETING: 'frame {{Task.Param.Frame}}' },
    outputs: ['result/**', '*.log'],
    files: [
      {
        name: 'Run',
        filename: 'run.sh',
        isRunnable: true,
        data: '#!/bin/sh\nset -e\ncat "$1" > main.log\nmkdir -p result/deep\necho "$GREETING in $3 by {{Task.Param.Frame}}" > "$3/result/deep/$2.txt"\necho scrap > scrap\necho "openjd_progress: 25"; echo "openjd_progress: 12"\necho "openjd_status: nearly"\nprintf "openjd_progress: 99.5\\n"\n',
      },
    ],
  })
  const fractions: number[] = []
  for (const Frame of [7, 8]) {
    fractions.length = 0
    const output = await session.run({ params: { Frame }, outFolder }, (one) => fractions.push(one), never)
    assert.deepEqual(
      output.files.map(({ name }) => name),
      ['main.log', `result/deep/${Frame}.txt`],
    )
    const bytes = readFileSync(join(outFolder, `result/deep/${Frame}.txt`))
    assert.equal(String(bytes), `frame ${Frame} in /work by ${Frame}\n`)
    assert.deepEqual(output.files[1], {
      name: `result/deep/${Frame}.txt`,
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    })
    assert.deepEqual([fractions, output.notes['status']], [[0.25, 0.995], 'nearly'])
    assert.match(String(output.notes['tail']), /openjd_status: nearly/)
  }
  await session.close()
  assert.deepEqual(readdirSync(scratch), [])
})

test('what a program used is told, of short ones too', { skip }, async () => {
  const { outFolder, open } = setup()
  const session = await open({
    command: 'sh',
    args: ['-c', 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'],
  })
  const { cpuMs, wallMs } = await session.run({ params: {}, outFolder }, () => undefined, never)
  await session.close()
  assert(cpuMs >= 10 && wallMs >= cpuMs * 0.5, `${cpuMs} of ${wallMs}`)
})

test('what a program leaves running ends with it, and floods of output are cut', { skip }, async () => {
  const { outFolder, open } = setup()
  const script = 'sleep 1000 & setsid sleep 1000 & yes | head -c 30000000; echo end; echo 1 > made'
  const session = await open({ command: 'sh', args: ['-c', script] })
  const { files, notes } = await session.run({ params: {}, outFolder }, () => undefined, never)
  await session.close()
  assert.deepEqual(
    files.map(({ name }) => name),
    ['made'],
  )
  assert(String(notes['tail']).length <= 4_000)
  assert.match(String(notes['tail']), /end\n$/)
})

test('a program sees no network, no home, nothing of others, and writes nowhere else', { skip }, async () => {
  const { outFolder, open, folder, scratch } = setup()
  const server = createServer().listen(0, '127.0.0.1')
  after(() => server.close())
  await new Promise((done) => server.once('listening', done))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  writeFileSync(join(folder, 'secret'), 'secret')
  const tries = [
    `exec 5<>/dev/tcp/127.0.0.1/${port}`,
    'exec 5<>/dev/tcp/192.0.2.1/80',
    `cat ${folder}/secret`,
    `ls ${scratch}`,
    'ls /root/.* /home/[!n]*',
    'cat /etc/passwd /etc/shadow',
    'echo x > /in/x',
    'echo x > /files/x',
    'echo x > /usr/x',
    'echo x > /x',
    'echo x > /proc/sys/kernel/core_pattern',
    '[ $(ls -d /proc/[0-9]* | wc -l) -gt 12 ]',
    'mount -t tmpfs none /tmp',
    'unshare -U true',
    'echo x >&4',
    'echo x >&3',
  ]
  const script = tries
    .map((one, at) => `if (${one}) >/dev/null 2>&1; then echo ${at} >> through; fi`)
    .join('\n')
  const session = await open({ command: 'bash', args: ['-c', `touch through; ${script}`] })
  await session.run({ params: {}, outFolder }, () => undefined, never)
  await session.close()
  assert.equal(readFileSync(join(outFolder, 'through'), 'utf8'), '')
})

test('links, pipes and folders that lead away are no results', { skip }, async () => {
  const { outFolder, open, folder } = setup()
  writeFileSync(join(folder, 'secret'), 'secret')
  const script = `ln -s ${folder}/secret link; ln -s ${folder} away; ln -s /etc etc; mkfifo pipe; mkdir real; echo 1 > real/x; ln ../x real/y || true`
  const session = await open({ command: 'sh', args: ['-c', script] })
  const { files } = await session.run({ params: {}, outFolder }, () => undefined, never)
  await session.close()
  assert.deepEqual(
    files.map(({ name }) => name),
    ['real/x'],
  )
})

test('a task has an hour, or its own limit, and never more than its node gives', () => {
  const hour = 3_600_000
  assert.equal(taskLimitMs(undefined, undefined), hour)
  assert.equal(taskLimitMs(2 * hour, undefined), 2 * hour)
  assert.equal(taskLimitMs(2 * hour, 500), 500)
  assert.equal(taskLimitMs(300, hour), 300)
})

test('each way to fail says whose fault it was', { skip }, async () => {
  const { outFolder, open } = setup()
  const sh = (script: string, part: object = {}) => ({ command: 'sh', args: ['-c', script], ...part })
  const rows = [
    [sh('echo bad input >&2; exit 3'), 'task', /^sh ended with exit code 3: bad input\.$/],
    [sh('echo "openjd_fail: no texture."; exit 3'), 'task', /exit code 3: no texture\.$/],
    [sh('kill -SEGV $$'), 'task', /sh died of signal 11/],
    [sh('kill -9 $$'), 'node', /ended by a signal/],
    [{ command: 'no-such-program' }, 'node', /no program no-such-program/],
    [{ command: '{{Task.File.A}}', files: [{ name: 'A', data: 'x' }] }, 'task', /cannot be run/],
    [sh('sleep 100', { timeoutMs: 300 }), 'task', /longer than 0.3 s, its own limit/],
    [sh('sleep 100'), 'node', /the most that a task may take here/],
    [sh('head -c 30000000 /dev/zero > x; exit $?'), 'task', /larger than a task may/],
    [
      sh('for i in 1 2 3 4 5 6 7 8 9; do head -c 5000000 /dev/zero > $i; done; sleep 100'),
      'task',
      /more files or bytes/,
    ],
    [
      sh('python3 -c "x = bytearray(800000000); import time; time.sleep(9)"'),
      'node|task',
      /memory|MemoryError/i,
    ],
    [sh(':() { : | : & }; :; sleep 2; exit 9'), 'task', /./],
    [
      { command: '{{Task.Param.None}}' },
      'task',
      /command names \{\{Task.Param.None\}\}, which means nothing/,
    ],
    [{ command: 'x', args: ['{{'] }, 'task', /args.0 has '\{\{' without/],
    [sh('touch "$(printf "a\\nb")"'), 'task', /name that cannot be kept/],
    [sh('seq 1 1001 | xargs touch'), 'task', /left 1001 files, and a task has 1000/],
  ] as const
  for (const [settings, fault, message] of rows) {
    const session = await open(settings)
    const running = session.run({ params: {}, outFolder }, () => undefined, never)
    await assert.rejects(running, (error: unknown) => {
      assert(error instanceof Problem)
      assert.match(error.message, message, JSON.stringify(settings))
      assert.match(failureClassOf(error), new RegExp(`^(${fault})$`), error.message)
      return true
    })
    await session.close()
  }
  await assert.rejects(open({ args: [] }), { code: 'invalid_request', message: /The step's command/ })
  await assert.rejects(open({ command: 'x', outputs: ['../x'] }), { message: /outputs.0: is not a path/ })
})

test('a task that is cancelled ends at once, with all that it started', { skip }, async () => {
  const { outFolder, open, scratch } = setup()
  const mark = `1${randomBytes(4).readUInt32LE()}`
  const session = await open({ command: 'sh', args: ['-c', `sleep ${mark} & echo openjd_progress: 1; wait`] })
  const cancel = new AbortController()
  const running = session.run({ params: {}, outFolder }, () => cancel.abort(), cancel.signal)
  await assert.rejects(running, { code: 'cancelled' })
  const left = readdirSync('/proc').filter((pid) => commandLine(pid).includes(mark))
  assert.deepEqual(left, [])
  await session.close()
  assert.deepEqual(readdirSync(scratch), [])
})

const never = new AbortController().signal

const commandLine = (pid: string): string =>
  existsSync(`/proc/${pid}/cmdline`) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : ''

function setup() {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-command-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  const [root, outFolder, scratch] = ['root', 'out', 'scratch'].map((name) => join(folder, name))
  assert(root && outFolder && scratch)
  for (const one of [root, outFolder, scratch]) mkdirSync(one)
  const engine = createCommandEngine(
    { scratchFolder: scratch, memoryBytesMax: 2 ** 29, taskMsMax: 4_000, outBytesMax: 20_000_000 },
    {
      programs: createNodePrograms(),
      files: nodeTaskFiles,
      clock: nodeClock,
      secrets: { randomBytes: (length) => randomBytes(length) },
    },
  )
  const open = (settings: Record<string, unknown>) => engine.open({ root, settings })
  return { root, outFolder, scratch, folder, open }
}
