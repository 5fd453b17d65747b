import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, test } from 'node:test'
import { makeFolder } from './test-blender.ts'

const skip = spawnSync('python3', ['--version']).status !== 0 && 'no python3'
const blender = join(import.meta.dirname, '../../../test/scenes/newer_blender.py')
const worker = join(import.meta.dirname, 'scripts/worker.py')

test('parts of a still are different samples of one whole on a Blender that counts offsets in subsets alone', {
  skip,
}, async () => {
  const { drawn } = await setup([
    { sampleOffset: 0, samples: 16, samplesOfStill: 32 },
    { sampleOffset: 16, samples: 16, samplesOfStill: 32 },
    // The scene's own number, where the step says none.
    { sampleOffset: 90, samples: 10, samplesOfStill: null },
    // Never fewer than the part reaches to.
    { sampleOffset: 96, samples: 16, samplesOfStill: null },
    // A whole frame after them, of a scene that was itself saved as a part.
    { samples: 8 },
    {},
  ])
  assert.deepEqual(drawn, [
    ['0+16 of 32', 'samples=16 offset=0'],
    ['16+16 of 32', 'samples=16 offset=16'],
    ['90+10 of 100', 'samples=10 offset=90'],
    ['96+16 of 112', 'samples=16 offset=96'],
    ['0+8 of 8', 'samples=8 offset=0'],
    ['0+100 of 100', 'samples=100 offset=0'],
  ])
})

test('a scene whose compositor is a group is rendered, without its file outputs and as a picture', {
  skip,
}, async () => {
  const { answers, texts } = await setup([{ sampleOffset: 0, samples: 4 }])
  assert.match(texts[0] ?? '', /as IMAGE, file outputs off$/m)
  assert.deepEqual(
    answers.map(({ ok = true, samples }) => [ok, samples]),
    [
      [true, undefined],
      [true, undefined],
      [true, 4],
      [true, undefined],
    ],
  )
})

/** Has the script load a scene in that Blender and render each of `tasks`. */
async function setup(tasks: readonly Readonly<Record<string, unknown>>[]) {
  const folder = makeFolder()
  after(() => folder[Symbol.dispose]())
  const outs = tasks.map((_, at) => join(folder.path, `${at}.exr`))
  const common = { do: 'render', frame: 1, format: 'EXR', device: 'CPU' }
  const commands = [
    { id: 0, do: 'load', file: '/scene.blend', device: 'CPU' },
    ...tasks.map((task, at) => ({ ...common, ...task, id: at + 1, out: outs[at] })),
    { id: tasks.length + 1, do: 'quit' },
  ]
  const python = spawn('python3', [blender, worker], { stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'] })
  const [, , errors, takes, gives] = python.stdio
  assert(errors && takes instanceof Writable && gives instanceof Readable)
  takes.write(`${commands.map((command) => JSON.stringify(command)).join('\n')}\n`)
  const [said, trouble] = await Promise.all([text(gives), text(errors)])
  const answers = said
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { ok?: boolean; samples?: number; message?: string })
  assert.deepEqual(
    answers.flatMap(({ message }) => message ?? []),
    [],
    trouble,
  )
  const texts = outs.map((out) => readFileSync(out, 'utf8'))
  const drawn = texts.map((one) => [
    /^\d+\+\d+ of \d+/.exec(one)?.[0],
    /samples=\d+ offset=\d+/.exec(one)?.[0],
  ])
  return { answers, texts, drawn }
}
