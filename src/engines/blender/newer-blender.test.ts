import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
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

test('a simulation zone is baked where its files are, and else told: as not baked, or as one that may be packed', {
  skip,
}, async () => {
  const folder = makeFolder()
  after(() => folder[Symbol.dispose]())
  const [baked, custom] = [join(folder.path, 'baked'), join(folder.path, 'custom')]
  mkdirSync(join(baked, '7/meta'), { recursive: true })
  mkdirSync(join(custom, 'meta'), { recursive: true })
  const zone = (owner: string, modifier: object, bake: object, node = 'GeometryNodeSimulationOutput') => `
bpy.data.objects.append(Some(name=${JSON.stringify(owner)}, library=None, particle_systems=[], animation_data=None, modifiers=[Some(**{
    "type": "NODES", "node_group": Some(name="Group", nodes=[]), "bake_directory": "", "bake_target": "PACKED", **${JSON.stringify(modifier)},
    "bakes": [Some(**{"node": Some(bl_idname=${JSON.stringify(node)}), "use_custom_path": 0, "directory": "", "bake_target": "INHERIT", **${JSON.stringify(bake)}})],
})]))
`
  const load = async (more: string) => {
    const { answers } = await setup([], more, [{ do: 'inspect' }])
    const [, loaded, { files = [], warnings = [] } = {}] = answers
    return {
      hasHistory: loaded?.hasHistory,
      files: files.map(({ kind, path, isThere }) => [kind, path, isThere]),
      warnings: warnings
        .filter(({ code }) => code === 'unbaked')
        .map(({ message }) => message.split('. ')[0]),
    }
  }
  assert.deepEqual(
    await load(
      zone('By folder', { bake_directory: baked, bake_target: 'DISK' }, {}) +
        zone('By path', {}, { use_custom_path: 1, directory: custom, bake_target: 'DISK' }) +
        zone('No simulation', {}, {}, 'GeometryNodeBake'),
    ),
    {
      hasHistory: false,
      files: [
        ['simulation', baked, true],
        ['simulation', custom, true],
      ],
      warnings: [],
    },
  )
  const gone = join(folder.path, 'gone')
  assert.deepEqual(
    await load(
      zone('Gone', { bake_directory: gone, bake_target: 'DISK' }, {}) +
        zone('Packed', { bake_directory: '//blendcache_scene' }, {}),
    ),
    {
      hasHistory: true,
      files: [['simulation', gone, false]],
      warnings: [
        "A simulation is not baked: the simulation zone of 'Gone'",
        "Whether a simulation is packed into the .blend cannot be told: the simulation zone of 'Packed'",
      ],
    },
  )
})

test('a zone in a group of a group is found by a Blender that keeps one folder for all of a modifier', {
  skip,
}, async () => {
  const more = `
inner = Some(name="Inner", nodes=[Some(bl_idname="GeometryNodeSimulationOutput")])
outer = Some(name="Outer", nodes=[Some(bl_idname="GeometryNodeGroup", node_tree=inner)])
modifier = Some(type="NODES", node_group=outer, simulation_bake_directory="//blendcache_scene/12")
bpy.data.objects.append(Some(name="Old", library=None, particle_systems=[], animation_data=None, modifiers=[modifier]))
`
  const { answers } = await setup([], more, [{ do: 'inspect' }])
  const [, loaded, inspected] = answers
  assert.equal(loaded?.hasHistory, true)
  assert.deepEqual(
    inspected?.files?.map(({ path }) => path),
    ['/shot/blendcache_scene/12'],
  )
})

test('the folders of bakes are moved to where the scene lies on a node', { skip }, async () => {
  const more = `
bake = Some(node=None, use_custom_path=True, directory="/home/ann/bakes/9", bake_target="DISK")
modifier = Some(type="NODES", node_group=Some(name="G", nodes=[]), bake_directory="/home/ann/cache", bake_target="DISK", bakes=[bake])
bpy.data.objects.append(Some(name="One", library=None, particle_systems=[], animation_data=None, modifiers=[modifier]))
`
  const { answers } = await setup([], more, [{ do: 'inspect' }], { '/home/ann/': '/shoal-scene/' })
  assert.deepEqual(
    answers[2]?.files?.map(({ path }) => path),
    ['/shoal-scene/bakes/9'],
  )
})

test('what is cut to a film in Blender 5 is neither sent nor missed', { skip }, async () => {
  const more = `
scene.sequence_editor = Some(strips_all=[Some(filepath="//film.mp4"), Some(directory="//cut/", elements=[Some(filename="a.png")])])
blend_paths += ["/shot/film.mp4", "/shot/cut/a.png", "/shot/of an add-on.txt"]
`
  const { answers } = await setup([], more, [{ do: 'inspect' }])
  assert.deepEqual(
    answers[2]?.files?.map(({ path }) => path),
    ['/shot/of an add-on.txt'],
  )
})

test('pictures that take much memory are named, the largest first, with all their tiles', {
  skip,
}, async () => {
  const more = `
def picture(name, count, side):
    tiles = [Some(number=1001 + at, size=(side, side), channels=4) for at in range(count)]
    path = "//" + name
    bpy.data.images.append(Some(name=name, source="TILED", type="IMAGE", packed_file=None, packed_files=[], filepath=path, library=None,
        is_float=False, tiles=tiles, size=(side, side), channels=4, buffers_free=lambda: None))
picture("wood.<UDIM>.png", 1, 4096)
picture("skin.<UDIM>.png", 16, 8192)
`
  const { answers } = await setup([], more, [{ do: 'inspect' }])
  const { warnings = [], facts } = answers[2] ?? {}
  assert.deepEqual(facts?.imageBytes, (16 * 256 + 64) * 2 ** 20)
  assert.deepEqual(
    warnings.filter(({ code }) => code === 'memory').map(({ message }) => message),
    [
      "The scene's pictures take 4160 MiB of memory, and nodes that have less are not given it. The largest: 'skin.<UDIM>.png' (4096 MiB), 'wood.<UDIM>.png' (64 MiB). Make them smaller where no node is large enough.",
    ],
  )
})

interface Answered {
  readonly facts?: { readonly imageBytes: number }

  readonly ok?: boolean
  readonly samples?: number
  readonly message?: string
  readonly hasHistory?: boolean
  readonly files?: readonly { readonly kind: string; readonly path: string; readonly isThere: boolean }[]
  readonly warnings?: readonly { readonly code: string; readonly message: string }[]
}

/** Has the script load a scene, to which `more` adds, in that Blender, render each of `tasks` and answer `questions`. */
async function setup(
  tasks: readonly Readonly<Record<string, unknown>>[],
  more = '',
  questions: readonly { readonly do: string }[] = [],
  remap: Readonly<Record<string, string>> = {},
) {
  const folder = makeFolder()
  after(() => folder[Symbol.dispose]())
  writeFileSync(join(folder.path, 'more.py'), more)
  const outs = tasks.map((_, at) => join(folder.path, `${at}.exr`))
  const common = { do: 'render', frame: 1, format: 'EXR', device: 'CPU' }
  const commands = [
    { id: 0, do: 'load', file: '/scene.blend', device: 'CPU', remap },
    ...tasks.map((task, at) => ({ ...common, ...task, id: at + 1, out: outs[at] })),
    ...[...questions, { do: 'quit' }].map((question, at) => ({ ...question, id: tasks.length + 1 + at })),
  ]
  const python = spawn('python3', [blender, worker, join(folder.path, 'more.py')], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
  })
  const [, , errors, takes, gives] = python.stdio
  assert(errors && takes instanceof Writable && gives instanceof Readable)
  takes.write(`${commands.map((command) => JSON.stringify(command)).join('\n')}\n`)
  const [said, trouble] = await Promise.all([text(gives), text(errors)])
  const answers = said
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Answered)
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
