import assert from 'node:assert/strict'
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { mergeRanges } from '#images/merge-ranges.ts'
import { cut } from '#images/picture.ts'
import { Problem } from '#protocol/problem.ts'
import { failureClassOf } from '#protocol/task-failure.ts'
import { readLabel } from '#verify/check-frame.ts'
import { compareCrops } from '#verify/compare-crops.ts'
import { Inspection, makePreflight } from './preflight.ts'
import { blenderMissing, makeFolder, makeScene, openEngine, openPicture, runTask } from './test-blender.ts'

const skip = blenderMissing()

test('one Blender renders frames, crops and ranges of a scene, and survives its own death', {
  skip,
}, async () => {
  const { engine, root, folder, pids } = setup()
  const settings = { file: 'scene.blend', format: 'EXR', depth: 32, sceneHash: 'abc' }
  const session = await engine.open({ root, settings })
  try {
    const out = join(folder, 'out')
    const open = (name: string | undefined) => openPicture(join(out, name ?? ''))
    const frame = await runTask(session, { do: 'frame', frame: 3 }, out)
    const picture = open(frame.files[0]?.name)
    assert.deepEqual([frame.files[0]?.name, picture.width, picture.height], ['frame-0003.exr', 48, 32])
    assert.deepEqual(readLabel(picture), { scene: 'abc', frame: '3', samples: '8', offset: '0', seed: '1' })
    assert(frame.cpuMs > 0 && frame.wallMs > 0 && frame.peakBytes > 2 ** 26)
    assert.deepEqual([frame.notes['device'], frame.notes['isDenoised']], ['CPU', false])

    const crops = await runTask(session, { do: 'crops', frame: 3, crops: '0,0,9,7;39,25,9,7;13,5,9,7' }, out)
    const places = [
      [0, 0],
      [39, 25],
      [13, 5],
    ]
    for (const [at, [x = 0, y = 0]] of places.entries()) {
      const part = cut(picture, { x, y, width: 9, height: 7 })
      assert(compareCrops(part, open(crops.files[at]?.name)).worstRelative < 1e-4, `${x},${y}`)
    }

    const range = async (sampleOffset: number, samples: number) => {
      const params = { do: 'range', frame: 3, sampleOffset, samples }
      return { picture: open((await runTask(session, params, out)).files[0]?.name), samples }
    }
    const merged = mergeRanges([await range(0, 3), await range(3, 5)])
    assert(compareCrops(merged, picture).worstRelative < 1e-3)

    // The next frame is whole again, and nothing of a range is left in the scene.
    process.kill(-Number(pids.at(-1)), 'SIGKILL')
    const again = await runTask(session, { do: 'frame', frame: 3 }, out).catch(() =>
      runTask(session, { do: 'frame', frame: 3 }, out),
    )
    assert.equal(compareCrops(open(again.files[0]?.name), picture).worstRelative, 0)
  } finally {
    await session.close()
  }
  assert.deepEqual(readdirSync(join(folder, 'scratch')), [])
})

test('ranges of a still merge into the picture that the scene shows', { skip }, async () => {
  const { engine, root, folder } = setup()
  const out = join(folder, 'out')
  const session = await engine.open({ root, settings: { file: 'scene.blend' } })
  try {
    const parts: string[] = []
    for (const [sampleOffset, samples] of [
      [0, 3],
      [3, 5],
    ]) {
      const range = await runTask(session, { do: 'range', frame: 1, sampleOffset, samples }, out)
      const name = range.files[0]?.name ?? ''
      copyFileSync(join(out, name), join(root, name))
      parts.push(`${name}=${samples}`)
    }
    const whole = await runTask(session, { do: 'frame', frame: 1 }, join(folder, 'whole'))
    const merged = await runTask(
      session,
      { do: 'merge', frame: 1, parts: parts.join(';') },
      join(folder, 'merged'),
    )
    assert.equal(merged.notes['samples'], 8)
    const name = 'frame-0001.png'
    assert.deepEqual([merged.files[0]?.name, whole.files[0]?.name], [name, name])
    const [a, b] = ['whole', 'merged'].map((one) => openPicture(join(folder, one, name)))
    assert(a && b)
    assert.equal(compareCrops(a, b).isOff, false)
    const away = runTask(session, { do: 'merge', frame: 1, parts: '../x.exr=8' }, out)
    await assert.rejects(away, (error) => isFault(error, 'task'))
  } finally {
    await session.close()
  }
})

test('a task in whose middle the system ends Blender is nobody’s fault twice, and then this node’s', {
  skip,
}, async () => {
  const { engine, root, folder, pids } = setup()
  const session = await engine.open({ root, settings: { file: 'scene.blend', samples: 3_000 } })
  try {
    const out = join(folder, 'out')
    mkdirSync(out, { recursive: true })
    const faults: string[] = []
    for (let time = 0; time < 3; time++) {
      const kill = (): void => void process.kill(-Number(pids.at(-1)), 'SIGKILL')
      const task = { params: { do: 'frame', frame: 1 }, outFolder: out }
      const problem = await session.run(task, kill, new AbortController().signal).catch((error) => error)
      assert(problem instanceof Problem)
      assert.match(problem.message, /^frame 1: Blender was ended by SIGKILL\./)
      faults.push(failureClassOf(problem))
    }
    assert.deepEqual(faults, ['infrastructure', 'infrastructure', 'node'])
  } finally {
    await session.close()
  }
})

test('a task that is cancelled ends at once, and the session goes on', { skip }, async () => {
  const { engine, root, folder } = setup()
  const session = await engine.open({ root, settings: { file: 'scene.blend', samples: 3_000 } })
  try {
    const out = join(folder, 'out')
    mkdirSync(out, { recursive: true })
    const cancel = new AbortController()
    const fractions: number[] = []
    const onProgress = (fraction: number): void => {
      fractions.push(fraction)
      cancel.abort()
    }
    const params = { do: 'frame', frame: 1 }
    await assert.rejects(session.run({ params, outFolder: out }, onProgress, cancel.signal), {
      code: 'cancelled',
    })
    assert.deepEqual(fractions, fractions.toSorted())
    const output = await runTask(session, { do: 'frame', frame: 1, samples: 2 }, out)
    assert.equal(output.notes['samples'], 2)
    await assert.rejects(runTask(session, { do: 'frame', frame: 'x' }, out), (error) =>
      isFault(error, 'task'),
    )
  } finally {
    await session.close()
  }
})

test('each input that cannot be rendered here is told in a sentence, with whose fault it is', {
  skip,
}, async () => {
  const { engine, root, folder } = setup()
  const files = {
    'text.blend': 'no scene',
    'picture.blend': Buffer.from('89504e470d0a1a0a', 'hex'),
    'newer.blend': 'BLENDER-v499',
    'newest.blend': 'BLENDER17-01v0500',
    'broken.blend': 'BLENDER-v304 and then nothing of use',
  }
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(root, name), bytes)
  const rows = [
    [{ file: 'text.blend' }, 'task', /text.blend is not a .blend file but something else/],
    [{ file: 'picture.blend' }, 'task', /is not a .blend file but a PNG picture/],
    [{ file: 'newer.blend' }, 'task', /newer.blend was saved by Blender 4.99, newer than the 3.4 here/],
    [{ file: 'newest.blend' }, 'task', /saved by Blender 5.0, newer/],
    [{ file: 'broken.blend' }, 'task', /broken.blend: Blender 3.4.1 cannot open it/],
    [{ file: 'none.blend' }, 'task', /no file none.blend/],
    [{ file: '../scene.blend' }, 'task', /file.*is not a path below the inputs/],
    [{ file: 'scene.blend', scene: 'Other' }, 'task', /no scene 'Other', only Scene/],
    [{ file: 'scene.blend', device: 'CUDA' }, 'node', /(asks for a GPU|cannot compute on CUDA)/],
  ] as const
  for (const [settings, fault, message] of rows) {
    await assert.rejects(engine.open({ root, settings }), (error: unknown) => {
      assert(error instanceof Error)
      assert.match(error.message, message)
      return isFault(error, fault)
    })
  }
  const nowhere = openEngine({ scratchFolder: join(folder, 'scratch'), program: 'no-such-blender' })
  await assert.rejects(nowhere.open({ root, settings: { file: 'scene.blend' } }), { code: 'engine_missing' })
})

test('an inspection lists what the scene reads, and names what is missing', { skip }, async () => {
  const { engine, folder } = setup()
  const root = makeScene(join(folder, 'textured/scene.blend'), 'textured', {
    width: 16,
    height: 16,
    spheres: 2,
  })
  const missing = join(root, 'textures/checks-2.png')
  assert(existsSync(missing))
  rmSync(missing)
  const session = await engine.open({ root, settings: { file: 'scene.blend' } })
  const output = await runTask(session, { do: 'inspect' }, join(folder, 'out')).finally(() => session.close())
  const inspection = Inspection.parse(output.notes['inspection'])
  assert.deepEqual([inspection.facts.width, inspection.facts.samples], [16, 16])
  const { errors, sends, remap } = makePreflight(inspection, '/shoal-scene/scene.blend')
  assert.equal(errors.length, 1)
  assert.match(
    errors[0] ?? '',
    /'checks-2.png' is missing: there is no file \/shoal-scene\/textures\/checks-2.png/,
  )
  assert.deepEqual(
    sends.map(({ to }) => to),
    ['scene.blend', 'textures/checks-0.png', 'textures/checks-1.png', 'textures/checks-3.png'],
  )
  assert.deepEqual(remap, { '/shoal-scene/': '' })
})

test('files beside the scene are sent along, and the scene is told where they went', () => {
  const file = (path: string) => ({ kind: 'image', owner: 'wood', path, isThere: true, bytes: 1 })
  const facts = {
    ...{ scene: 'Scene', frameStart: 1, frameEnd: 2, frameStep: 1, fps: 24, width: 1, height: 1 },
    ...{
      samples: 1,
      seed: 0,
      isAdaptive: false,
      isDenoised: false,
      isComposited: false,
      triangles: 0,
      imageBytes: 0,
    },
  }
  const files = [file('/home/me/shot/a.png'), file('/mnt/library/wood.png')]
  const {
    errors,
    sends,
    file: scene,
    remap,
  } = makePreflight({ files, warnings: [], facts }, '/home/me/shot/s.blend')
  assert.deepEqual(errors, [])
  assert.deepEqual(
    sends.map(({ to }) => to),
    ['home/me/shot/s.blend', 'home/me/shot/a.png', 'mnt/library/wood.png'],
  )
  assert.deepEqual([scene, remap], ['home/me/shot/s.blend', { '/': '' }])
  const near = makePreflight(
    { files: [file('/home/me/wood.png')], warnings: [], facts },
    '/home/me/shot/s.blend',
  )
  assert.deepEqual([near.file, near.remap], ['shot/s.blend', { '/home/me/': '' }])
  assert.deepEqual(makePreflight({ files: [], warnings: [], facts }, '/a/s.blend').remap, {})
  // The add-on's copy goes under the scene's own name, by which its caches are found, unless the scene itself goes along.
  const copy = '/a/s.shoal-77.blend'
  const renamed = makePreflight({ files: [], warnings: [], facts }, copy)
  assert.deepEqual([renamed.file, renamed.sends], ['s.blend', [{ from: copy, to: 's.blend' }]])
  assert.equal(
    makePreflight({ files: [file('/a/s.blend')], warnings: [], facts }, copy).file,
    's.shoal-77.blend',
  )
})

function isFault(error: unknown, fault: string): true {
  assert(error instanceof Problem)
  assert.equal(failureClassOf(error), fault)
  return true
}

function setup() {
  const folder = makeFolder()
  after(() => folder[Symbol.dispose]())
  const values = { width: 48, height: 32, samples: 8, spheres: 6 }
  const root = makeScene(join(folder.path, 'scene/scene.blend'), 'glossy', values)
  const pids: unknown[] = []
  const engine = openEngine({
    scratchFolder: join(folder.path, 'scratch'),
    onStart: (pid) => pids.push(pid),
  })
  return { engine, root, folder: folder.path, pids }
}
