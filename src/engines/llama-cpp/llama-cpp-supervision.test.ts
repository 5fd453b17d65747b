/** How the engine fails to start, dies, hangs, comes back and leaves. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import type { Clock } from '#host/host.ts'
import { nodeClock } from '#host/node/node-clock.ts'
import { createRandom } from '#kernel/random.ts'
import { Problem } from '#protocol/problem.ts'
import { completion, finishRun, openTinyEngine, startRun, type TinyEngineOptions } from './tiny-engine.ts'
import { tinyGguf } from './tiny-gguf.ts'

const whole = Buffer.from(tinyGguf())
const unusable: readonly (readonly [name: string, file: Uint8Array | null, code: string, says: RegExp])[] = [
  ['no file', null, 'model_missing', /tiny\.gguf does not exist\. Check the path/],
  ['an empty file', Buffer.alloc(0), 'model_corrupt', /the file is empty/],
  [
    'a truncated file',
    whole.subarray(0, whole.length - 1000),
    'model_corrupt',
    /needs 1000 more, so it was cut short/,
  ],
  ['random bytes', noise(10_000), 'model_corrupt', /expected "GGUF"/],
  ['a wrong magic', Buffer.from('GGML is an older format than this'), 'model_corrupt', /begins with "GGML"/],
  [
    'the right magic with garbage',
    Buffer.concat([whole.subarray(0, 8), noise(9000)]),
    'model_corrupt',
    /damaged/,
  ],
  [
    'a whole file that llama.cpp refuses',
    renamed('llama', 'lamla'),
    'model_corrupt',
    /llama\.cpp refuses .*lamla/,
  ],
]
for (const [name, file, code, says] of unusable) {
  test(`${name}: ready() rejects with ${code} and the engine does not restart`, async (t) => {
    const { engine, children } = await setup(t, { file })
    await assert.rejects(
      engine.ready(),
      (error) => error instanceof Problem && error.code === code && says.test(error.message),
    )
    assert.equal(engine.failure()?.code, code)
    assert.deepEqual(engine.models(), [])
    const { problem } = await finishRun(engine, completion('hello'))
    assert.equal(problem?.code, 'engine_failed')
    assert.equal(children.length, 1)
  })
}

for (const gpu of ['cuda', 'vulkan', 'auto'] as const) {
  test(`gpu: '${gpu}' without its package fails with the way out instead of using the CPU`, async (t) => {
    const { engine, children } = await setup(t, { gpu, enginesFolder: '/nonexistent' })
    await assert.rejects(
      engine.ready(),
      (error) =>
        error instanceof Problem &&
        error.code === 'engine_missing' &&
        !error.retriable &&
        /build does not load .*shoal doctor --for provide/.test(error.message),
    )
    assert.equal(children.length, 1)
  })
}

test('a request before the model is loaded fails as one to try again, not inside start()', async (t) => {
  const { engine } = await setup(t, {})
  const { problem } = await finishRun(engine, completion('hello'))
  assert.equal(problem?.code, 'engine_failed')
  assert.ok(problem.retriable)
  await engine.ready()
})

test('kill -9 of the child: its runs end with engine_failed, the models go and come back', async (t) => {
  const { engine, children, changed } = await setup(t, {})
  await engine.ready()
  const runs = Array.from({ length: 5 }, () => startRun(engine, completion('hello', { maxTokens: 2000 })))
  await Promise.all(runs.map(({ begun }) => begun))
  const gone = changed(() => engine.models().length === 0)
  process.kill(children[0]?.pid ?? 0, 'SIGKILL')
  for (const { problem, end } of await Promise.all(runs.map(({ finished }) => finished))) {
    assert.equal(end, null)
    assert.equal(problem?.code, 'engine_failed')
    assert.ok(problem.retriable)
    assert.match(problem.message, /was killed by SIGKILL/)
  }
  await gone
  assert.equal(engine.failure()?.code, 'engine_failed')
  await changed(() => engine.models().length === 1)
  assert.equal(engine.failure(), null)
  assert.equal((await finishRun(engine, completion('hello'))).end?.completionTokens, 16)
})

test('a child that says nothing for 15 s is killed and replaced', async (t) => {
  const clock = shiftableClock()
  const { engine, children, changed } = await setup(t, { clock })
  await engine.ready()
  const run = startRun(engine, completion('hello', { maxTokens: 2000 }))
  await run.begun
  process.kill(children[0]?.pid ?? 0, 'SIGSTOP')
  const back = changed(() => engine.models().length === 1)
  clock.shift(15_500)
  assert.match((await run.finished).problem?.message ?? '', /said nothing for 15 s/)
  clock.shift(1_000)
  await back
  assert.equal(children.length, 2)
})

test('a Ctrl-C that reaches the child too does not end it: its parent decides', async (t) => {
  const { engine, children } = await setup(t, {})
  await engine.ready()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(children[0]?.pid ?? 0, signal)
  assert.equal((await finishRun(engine, completion('hello', { maxTokens: 200 }))).end?.completionTokens, 200)
  assert.equal(children.length, 1)
})

test('close() cancels what is open, ends the child and forgets its later starts', async (t) => {
  const { engine, children } = await setup(t, {})
  await engine.ready()
  const run = startRun(engine, completion('hello', { maxTokens: 2000 }))
  await run.begun
  const closing = engine.close()
  assert.equal((await run.finished).problem?.code, 'cancelled')
  await closing
  assert.equal(isAlive(children[0]?.pid ?? 0), false)
  assert.equal((await finishRun(engine, completion('hello'))).problem?.code, 'cancelled')
})

test('a child whose parent is killed ends by itself', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-parent-'))
  t.after(() => rm(folder, { recursive: true }))
  const script = join(folder, 'parent.ts')
  const fixture = new URL('./tiny-engine.ts', import.meta.url)
  await writeFile(
    script,
    `import { openTinyEngine } from '${fixture}'
     const { engine, children, modelPath } = await openTinyEngine()
     await engine.ready()
     console.log(JSON.stringify({ pid: children[0].pid, modelPath }))
     setInterval(() => {}, 1000)`,
  )
  const parent = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(createInterface(parent.stdout), 'line')) as [string]
  const { pid, modelPath } = JSON.parse(line) as { pid: number; modelPath: string }
  t.after(() => rm(join(modelPath, '..'), { recursive: true }))
  assert.ok(isAlive(pid))
  parent.kill('SIGKILL')
  await until(() => !isAlive(pid))
})

function noise(length: number): Buffer {
  const random = createRandom(1)
  return Buffer.from(Array.from({ length }, () => random.int(256)))
}

/** The tiny model with one name for another of the same length in its header. */
function renamed(from: string, to: string): Buffer {
  return Buffer.from(
    Buffer.from(tinyGguf({ chatTemplate: null }))
      .toString('latin1')
      .replaceAll(from, to),
    'latin1',
  )
}

/** False for a process that ended, also while its parent has not looked yet. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Asks the system again and again: there is no event for the end of somebody else's child. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** Real time that can be moved ahead: due timers then fire at once. */
function shiftableClock(): Clock & { shift(byMs: number): void } {
  let offsetMs = 0
  const waiting = new Set<() => void>()
  const elapsedMs = () => nodeClock.elapsedMs() + offsetMs
  return {
    nowMs: () => nodeClock.nowMs() + offsetMs,
    elapsedMs,
    after(delayMs, run) {
      const dueAtMs = elapsedMs() + delayMs
      const fire = () => {
        timer.cancel()
        waiting.delete(check)
        run()
      }
      const check = () => {
        if (elapsedMs() >= dueAtMs) fire()
      }
      const timer = nodeClock.after(delayMs, fire)
      waiting.add(check)
      return {
        cancel() {
          timer.cancel()
          waiting.delete(check)
        },
      }
    },
    shift(byMs) {
      offsetMs += byMs
      for (const check of [...waiting]) check()
    },
  }
}

async function setup(t: { after(run: () => Promise<void>): void }, options: TinyEngineOptions) {
  const opened = await openTinyEngine(options)
  t.after(opened.close)
  return opened
}
