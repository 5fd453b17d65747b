import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { createNodeCliContext } from './node-cli-context.ts'

test('a file is its text, a missing one null, and what cannot be read a problem', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-cli-'))
  try {
    const { readFile } = createNodeCliContext({ rootFolder: '/' })
    await writeFile(join(folder, 'a'), 'text')
    assert.equal(await readFile(join(folder, 'a')), 'text')
    assert.equal(await readFile(join(folder, 'b')), null)
    assert.equal(await readFile(join(folder, 'a', 'b')), null)
    await assert.rejects(
      readFile(folder),
      (error) => error instanceof Problem && error.code === 'disk_failed',
    )
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('who stops listening for Ctrl-C leaves it as it was', () => {
  const { onInterrupt } = createNodeCliContext({ rootFolder: '/' })
  const before = process.listenerCount('SIGINT')
  let count = 0
  const stop = onInterrupt(() => count++)
  process.emit('SIGINT')
  stop()
  assert.deepEqual([count, process.listenerCount('SIGINT')], [1, before])
})

for (const [screen, how] of [
  ['a pipe that nobody reads', '| true'],
  ['a full disk', '> /dev/full'],
] as const) {
  test(`what serves others goes on without a screen: ${how}`, { skip: process.platform !== 'linux' }, () => {
    const url = new URL('./node-cli-context.ts', import.meta.url).href
    const code = `
      const { createNodeCliContext } = await import('${url}')
      const { stdout, outlivesScreen } = createNodeCliContext({ rootFolder: '/' })
      outlivesScreen()
      for (let line = 0; line < 5; line++) {
        stdout.write('a line\\n')
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      process.exit(7)`
    const shell = `"${process.execPath}" --input-type=module -e "$CODE" ${how}; echo "\${PIPESTATUS[0]}" >&2`
    const { stderr } = spawnSync('bash', ['-c', shell], {
      env: { ...process.env, CODE: code },
      encoding: 'utf8',
    })
    assert.equal(stderr.trim(), '7', screen)
  })
}

test('ids are new each time', () => {
  const { newId } = createNodeCliContext({ rootFolder: '/' })
  assert.match(newId('trf'), /^trf_[0-9a-z]{24}$/)
  assert.notEqual(newId('trf'), newId('trf'))
})
