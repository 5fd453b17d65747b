import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { nodeChildren } from './node-children.ts'

test('messages cross both ways in order and keep typed arrays', async (t) => {
  const child = await setup(
    t,
    `process.on('message', (m) => { process.send(m); process.send(new Float32Array([m.n])) })`,
  )
  child.send({ n: 1 })
  child.send({ n: 2 })
  await child.received(4)
  assert.deepEqual(child.messages, [{ n: 1 }, new Float32Array([1]), { n: 2 }, new Float32Array([2])])
})

test('an exit is told once, with its code and its last words', async (t) => {
  const child = await setup(t, `process.stderr.write('no memory left\\n', () => process.exit(3))`)
  assert.deepEqual(await child.exit, { code: 3, signal: null, lastWords: 'no memory left\n' })
})

test('a kill is told by its signal, and sending afterwards is harmless', async (t) => {
  const child = await setup(t, `setInterval(() => {}, 1000)`)
  child.kill()
  assert.deepEqual(await child.exit, { code: null, signal: 'SIGKILL', lastWords: '' })
  child.send({ n: 1 })
  child.kill()
})

test('a program that does not exist exits like one that failed', async () => {
  const exit = await new Promise<{ code: number | null; lastWords: string }>((resolve) =>
    nodeChildren.spawnChild(
      { module: new URL('file:///nowhere/program.ts'), args: [] },
      { onMessage: () => undefined, onExit: resolve },
    ),
  )
  assert.equal(exit.code, 1)
  assert.match(exit.lastWords, /Cannot find module/)
})

async function setup(t: { after(run: () => Promise<void>): void }, source: string) {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-children-'))
  const path = join(folder, 'program.mjs')
  await writeFile(path, source)
  const messages: unknown[] = []
  const waiting: { count: number; resolve: () => void }[] = []
  const exited = Promise.withResolvers<unknown>()
  const child = nodeChildren.spawnChild(
    { module: pathToFileURL(path), args: [] },
    {
      onMessage: (message) => {
        messages.push(message)
        for (const { count, resolve } of waiting) if (messages.length >= count) resolve()
      },
      onExit: exited.resolve,
    },
  )
  t.after(async () => {
    child.kill()
    await exited.promise
    await rm(folder, { recursive: true })
  })
  const received = (count: number) => new Promise<void>((resolve) => waiting.push({ count, resolve }))
  return { ...child, messages, received, exit: exited.promise }
}
