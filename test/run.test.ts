import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'

const begin = "import { test } from 'node:test'\n"

test('the last line is the counts, and skipped tests stand above it with their reasons', (t) => {
  const { lines, code } = setup(t, {
    'a.test.ts': `${begin}test('good', () => {})\ntest('later', { skip: 'no strace here' }, () => {})\n`,
    'b.test.ts': `${begin}test('asks', (t) => t.skip('not root'))\ntest('good', (t) => t.diagnostic('9 events/s'))\n`,
  })
  assert.equal(lines.at(-1), '2 passed, 0 failed, 2 skipped')
  assert(lines.includes('  a.test.ts: later: no strace here'))
  assert(lines.includes('  b.test.ts: asks: not root'))
  assert(lines.includes('    9 events/s'))
  assert.equal(code, 0)
})

test('a failure is told in full with its place, and counts', (t) => {
  const { lines, text, code } = setup(t, {
    'a.test.ts': `${begin}test('outer', async (t) => { await t.test('inner', () => { throw new Error('boom') }) })\n`,
  })
  assert.match(text, /✖ inner \(a\.test\.ts:2\)\n\s+Error: boom/)
  assert.doesNotMatch(text, /subtest failed/)
  assert.equal(lines.at(-1), '0 passed, 2 failed, 0 skipped')
  assert.equal(code, 1)
})

test('a file that breaks while it loads fails and shows what it wrote', (t) => {
  const { lines, text, code } = setup(t, { 'a.test.ts': "throw new Error('at load')\n" })
  assert.match(text, /\| Error: at load/)
  assert.equal(lines.at(-1), '0 passed, 1 failed, 0 skipped')
  assert.equal(code, 1)
})

test('a file without tests fails: it looks like one and checks nothing', (t) => {
  const { text, code } = setup(t, { 'a.test.ts': "console.log('hello')\n" })
  assert.match(text, /declares no tests/)
  assert.equal(code, 1)
})

test('a test that hangs is named; so is a process that outlives its tests', (t) => {
  const { text, lines } = setup(
    t,
    {
      'a.test.ts': `${begin}setInterval(() => {}, 1000)\ntest('never ends', () => new Promise(() => {}))\n`,
      'b.test.ts': `${begin}setInterval(() => {}, 1000)\ntest('ends', () => {})\n`,
    },
    ['--file-timeout-ms', '2000'],
  )
  assert.match(text, /Not over after 2 s: never ends/)
  assert.match(text, /something still keeps the process alive/)
  assert.equal(lines.at(-1), '1 passed, 2 failed, 0 skipped')
})

test('only files that match are run, and none that matches is an error', (t) => {
  const files = { 'good.test.ts': `${begin}test('good', () => {})\n`, 'bad.test.ts': 'throw 1\n' }
  assert.equal(setup(t, files, ['good']).lines.at(-1), '1 passed, 0 failed, 0 skipped')
  const none = setup(t, files, ['absent'])
  assert.deepEqual([none.code, none.lines.at(-1)], [1, 'No test file matches absent.'])
})

test('an interrupt ends the tests that run and starts no more', (t) => {
  const interrupt = `${begin}test('interrupts', () => new Promise(() => process.kill(process.ppid, 'SIGINT')))\nsetInterval(() => {}, 1000)\n`
  const { text, code } = setup(t, {
    'a.test.ts': interrupt,
    'b.test.ts': interrupt,
    // It would be the next: more than two are not begun at once.
    'c.test.ts': 'throw 1\n',
  })
  assert.match(text, /SIGINT: ending/)
  assert.doesNotMatch(text, /c\.test/)
  assert.equal(code, 130)
})

function setup(t: TestContext, files: Record<string, string>, args: readonly string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-run-'))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  // A runner inside a test would take itself for a part of it.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const result = spawnSync(process.execPath, [join(import.meta.dirname, 'run.ts'), '--in', folder, ...args], {
    env,
    encoding: 'utf8',
    timeout: 60_000,
  })
  const text = result.stdout + result.stderr
  return { text, lines: result.stdout.trimEnd().split('\n'), code: result.status }
}
