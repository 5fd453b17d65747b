import assert from 'node:assert/strict'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { failureClassOf } from '#protocol/task-failure.ts'
import { blenderMissing, makeFolder, makeScene, openEngine, runTask } from './test-blender.ts'

const skip = blenderMissing()
const hostile = join(import.meta.dirname, '../../../test/scenes/hostile.py')

test('a script in a scene gets nowhere, and what it leaves behind stands in no way', { skip }, async () => {
  const { engine, root, scratch, outFolder } = await setup({ bomb: 'none' })
  const session = await engine.open({ root, settings: { file: 'scene.blend', allowScripts: true } })
  try {
    const [name = ''] = readdirSync(scratch).filter((entry) => /^session-[0-9a-f]/.test(entry))
    const found = JSON.parse(readFileSync(join(scratch, name, 'out/hostile.json'), 'utf8')) as object
    const through = Object.entries(found).filter(([, isThrough]) => isThrough)
    assert.deepEqual(through, [])
    assert(Object.keys(found).length > 30)
    // It put a link and a pipe where pictures go.
    for (const frame of [1, 2]) {
      const { files } = await runTask(session, { do: 'frame', frame }, outFolder)
      assert(lstatSync(join(outFolder, files[0]?.name ?? '')).isFile())
    }
  } finally {
    await session.close()
  }
})

test('a scene that eats memory ends itself, not the machine', { skip }, async () => {
  const { engine, root } = await setup({ bomb: 'memory' })
  const opening = engine.open({ root, settings: { file: 'scene.blend', allowScripts: true } })
  await assert.rejects(opening, (error: unknown) => {
    assert(error instanceof Problem)
    assert.match(error.message, /needs more than the 1024 MiB of memory/)
    assert.equal(failureClassOf(error), 'node')
    return true
  })
})

test('scripts run only where the job asks for it and the owner allows it', { skip }, async () => {
  const { root, scratch, outFolder } = await setup({ bomb: 'memory' })
  const engine = openEngine({ scratchFolder: scratch })
  const asking = engine.open({ root, settings: { file: 'scene.blend', allowScripts: true } })
  await assert.rejects(asking, {
    code: 'not_supported',
    message: /its owner allows them with --job-commands/,
  })
  const session = await engine.open({ root, settings: { file: 'scene.blend' } })
  const output = await runTask(session, { do: 'frame', frame: 1 }, outFolder)
  await session.close()
  assert.equal(output.files[0]?.name, 'frame-0001.png')
})

test('what a task took is told by this node, whatever a scene makes of the time', { skip }, async () => {
  const { session, outFolder } = await openScripted(['import time', 'time.perf_counter = lambda: 0.0'])
  const output = await runTask(session, { do: 'frame', frame: 1 }, outFolder)
  assert(output.wallMs > 1)
  // A look is work, too.
  assert((await runTask(session, { do: 'inspect' }, outFolder)).wallMs > 0)
})

test('a folder where a picture goes is never emptied while its scene could turn it into a link', {
  skip,
}, async () => {
  const { session, outFolder, out, close } = await openScripted([
    'import os',
    "os.makedirs('/out/frame-0001.png')",
    "open('/out/frame-0001.png/id_ed25519', 'w').close()",
  ])
  const task = runTask(session, { do: 'frame', frame: 1 }, outFolder)
  await assert.rejects(task, (error: unknown) => {
    assert(error instanceof Problem)
    assert.match(error.message, /put a folder where frame-0001.png goes/)
    assert.equal(failureClassOf(error), 'task')
    return true
  })
  const folder = out()
  assert(lstatSync(join(folder, 'frame-0001.png/id_ed25519')).isFile())
  await close()
  assert.equal(existsSync(folder), false)
})

test('a scene that fills the disk while it loads is ended', { skip }, async () => {
  const opening = openScripted([
    'import time',
    'for at in range(5):',
    "    open(f'/out/{at}', 'wb').truncate(1024**3)",
    'time.sleep(20)',
  ])
  await assert.rejects(opening, {
    code: 'disk_full',
    message: /wrote more than 4096 MiB beside its pictures/,
  })
})

/** A session of a scene with a script, which runs. */
async function openScripted(lines: readonly string[]) {
  const folder = makeFolder()
  after(() => folder[Symbol.dispose]())
  const [scratch, script] = [join(folder.path, 'scratch'), join(folder.path, 'script.py')]
  writeFileSync(script, lines.join('\n'))
  const root = makeScene(join(folder.path, 'scene/scene.blend'), 'diffuse', {
    ...{ width: 16, height: 16, samples: 1, spheres: 1 },
    hostile: script,
  })
  const engine = openEngine({ scratchFolder: scratch, allowsScripts: true })
  const session = await engine.open({ root, settings: { file: 'scene.blend', allowScripts: true } })
  after(() => session.close())
  const out = () => join(scratch, readdirSync(scratch)[0] ?? '', 'out')
  return { session, outFolder: join(folder.path, 'out'), out, close: () => session.close() }
}

async function setup({ bomb }: { bomb: 'none' | 'memory' }) {
  const folder = makeFolder()
  after(() => folder[Symbol.dispose]())
  const scratch = join(folder.path, 'scratch')
  const secret = join(folder.path, 'secret')
  mkdirSync(join(scratch, 'session-other'), { recursive: true })
  writeFileSync(secret, 'secret')
  const server = createServer().listen(0, '127.0.0.1')
  after(() => server.close())
  await new Promise((done) => server.once('listening', done))
  const address = server.address()
  const script = readFileSync(hostile, 'utf8')
    .replace('PORT_OF_TEST', String(typeof address === 'object' ? address?.port : 0))
    .replace('SECRET_OF_TEST', secret)
    .replace('SCRATCH_OF_TEST', scratch)
    .replace('"BOMB_OF_TEST" == "memory"', bomb === 'memory' ? 'True' : 'False')
  writeFileSync(join(folder.path, 'hostile.py'), script)
  const root = makeScene(join(folder.path, 'scene/scene.blend'), 'diffuse', {
    ...{ width: 16, height: 16, samples: 1, spheres: 1 },
    hostile: join(folder.path, 'hostile.py'),
  })
  symlinkSync(secret, join(root, 'link-to-secret'))
  symlinkSync('../secret', join(root, 'link-upwards'))
  const engine = openEngine({
    scratchFolder: scratch,
    allowsScripts: true,
    memoryBytesMax: (bomb === 'memory' ? 1 : 3) * 2 ** 30,
  })
  return { engine, root, scratch, outFolder: join(folder.path, 'out') }
}
