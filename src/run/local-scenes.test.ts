import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { blenderMissing, makeScene } from '#engines/blender/test-blender.ts'
import { createNodeMachine } from '#host/node/node-machine.ts'
import { Problem } from '#protocol/problem.ts'
import { openLocalScenes, runBlender, smallScene } from './test-local-scenes.ts'

const skip = blenderMissing()

test('textures beside, above and far away from a scene are sent so that a node finds them all', {
  skip,
}, async () => {
  const { folder, inspect, render } = openLocalScenes()
  const file = join(folder, 'shots/one/scene.blend')
  makeTexturedScene(file, {
    beside: 'tex/a.png',
    above: '../../shared/b.png',
    far: join(folder, 'far/c.png'),
  })
  const report = await inspect(file)
  assert.deepEqual(report.errors, [])
  assert.equal(report.sandboxMissing, null)
  assert.deepEqual(report.sends.map(({ to }) => to).toSorted(), [
    'far/c.png',
    'shared/b.png',
    'shots/one/scene.blend',
    'shots/one/tex/a.png',
  ])
  assert.equal(report.facts.imageBytes, 3 * 8 * 8 * 4)
  // A missing texture is pink: red and blue without green. Ours are green.
  const picture = await render(report)
  const [red = 1, green = 0, blue = 1] = picture.values
  assert.ok(green > 0.3 && red < 0.2 && blue < 0.2, `${red} ${green} ${blue}`)
})

test('a library that lies elsewhere is opened, and what it reads is found', { skip }, async () => {
  const { folder, inspect, render } = openLocalScenes()
  const library = join(folder, 'assets/library.blend')
  makeTexturedScene(library, { beside: 'wood/a.png', above: '//wood/b.png', far: '//wood/c.png' })
  const file = join(folder, 'shots/scene.blend')
  linkWorld(file, library)
  const report = await inspect(file)
  assert.deepEqual(report.errors, [])
  assert.ok(
    report.sends.some(({ to }) => to === 'assets/wood/c.png'),
    JSON.stringify(report.sends),
  )
  const { values } = await render(report)
  assert.ok((values[1] ?? 0) > 0.3 && (values[0] ?? 1) < 0.2)
  rmSync(library)
  const { errors } = await inspect(file)
  assert.match(errors[0] ?? '', /library .* is missing: there is no file .*library\.blend/)
})

test('a scene is opened without a sandbox, and told why, where bubblewrap is there and too old for ours', {
  skip,
}, async () => {
  const machine = createNodeMachine()
  const { folder, inspect } = openLocalScenes({
    ...machine,
    // As bubblewrap 0.6 of Ubuntu 22.04, which runs what asks for less.
    run: async (command, args, options) =>
      command === 'bwrap' && args.includes('--disable-userns')
        ? { code: 1, stdout: '', stderr: 'bwrap: Unknown option --disable-userns\n' }
        : machine.run(command, args, options),
  })
  const values = { width: 16, height: 16, spheres: 1 }
  const root = makeScene(join(folder, 't/scene.blend'), 'diffuse', values)
  const { errors, sandboxMissing } = await inspect(join(root, 'scene.blend'))
  assert.deepEqual(errors, [])
  assert.match(sandboxMissing ?? '', /Unknown option --disable-userns\): .*bubblewrap 0\.8 or newer/)
})

test('a texture that is missing is named with where it should be', { skip }, async () => {
  const { folder, inspect } = openLocalScenes()
  const file = join(
    makeScene(join(folder, 't/scene.blend'), 'textured', { width: 16, height: 16, spheres: 2 }),
    'scene.blend',
  )
  rmSync(join(folder, 't/textures/checks-2.png'))
  const { errors } = await inspect(file)
  assert.deepEqual(errors, [
    `The image 'checks-2.png' is missing: there is no file ${join(folder, 't/textures/checks-2.png')}. Put it there, pack it into the .blend or take it out of the scene.`,
  ])
})

test('what is no scene that can be rendered is said in one sentence', { skip }, async () => {
  const { folder, inspect, scenes } = openLocalScenes()
  const make = (name: string, bytes: Uint8Array | string): string => {
    writeFileSync(join(folder, name), bytes)
    return join(folder, name)
  }
  const newer = `BLENDER17-01v0502${'\0'.repeat(200)}`
  const older = makeScene(join(folder, 'ok/scene.blend'), 'diffuse', { width: 8, height: 8, spheres: 1 })
  const rows: [file: string, expected: RegExp][] = [
    [join(folder, 'gone.blend'), /^There is no file .*gone\.blend\. Check its path/],
    [folder, /is no file\. Name a file\./],
    [make('empty.blend', ''), /is not a \.blend file but an empty file: save/],
    [make('a.blend', 'hello'), /is not a \.blend file but something else/],
    [make('p.blend', Buffer.from('89504e470d0a1a0a', 'hex')), /is not a \.blend file but a PNG picture/],
    [make('new.blend', newer), /was saved by Blender 5\.2, newer than the \d\.\d+ here/],
    [make('packed.blend', zstdCompressSync(newer)), /was saved by Blender 5\.2, newer/],
    [make('zipped.blend', gzipSync('no scene at all')), /but something else, packed by gzip/],
    [
      make('torn.blend', zstdCompressSync(newer).subarray(0, 12)),
      /packed like a \.blend file, and is damaged/,
    ],
    [
      make('noise.blend', Buffer.concat([Buffer.from('BLENDER-v304'), Buffer.alloc(5_000, 7)])),
      /cannot be rendered: .*/,
    ],
  ]
  for (const [file, expected] of rows) {
    const error = await inspect(file).then(
      () => null,
      (reason: unknown) => reason,
    )
    assert.ok(error instanceof Problem && error.code === 'invalid_request', `${file}: ${error}`)
    assert.match(error.message, expected)
    assert.doesNotMatch(error.message, /\n/)
  }
  const question = { file: join(older, 'scene.blend'), frames: null, signal: new AbortController().signal }
  const noBlender = scenes.inspect({ ...question, blender: join(folder, 'nothing'), scene: undefined })
  await assert.rejects(noBlender, { code: 'engine_missing', message: /Install the package blender/ })
  const noScene = scenes.inspect({ ...question, blender: 'blender', scene: 'Other' })
  await assert.rejects(noScene, { code: 'invalid_request', message: /it has no scene 'Other', only Scene/ })
})

/** Three planes' worth of green pictures, added up on the world's background. */
function makeTexturedScene(file: string, paths: Readonly<Record<string, string>>): void {
  runBlender(
    dirname(file),
    `${smallScene}
import os
camera = bpy.data.objects.new('Camera', bpy.data.cameras.new('Camera'))
scene.collection.objects.link(camera); scene.camera = camera
bpy.ops.wm.save_as_mainfile(filepath=${JSON.stringify(file)})
world = bpy.data.worlds.new('Green'); scene.world = world; world.use_nodes = True
tree = world.node_tree; background = tree.nodes['Background']
total = None
for path in ${JSON.stringify(Object.values(paths))}:
    path = path if path.startswith('/') else '//' + path
    target = bpy.path.abspath(path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    made = bpy.data.images.new(os.path.basename(path), 8, 8)
    made.pixels = [0.0, 0.3, 0.0, 1.0] * 64
    made.filepath_raw = target; made.file_format = 'PNG'; made.save()
    bpy.data.images.remove(made)
    image = bpy.data.images.load(target); image.filepath = path
    node = tree.nodes.new('ShaderNodeTexEnvironment'); node.image = image
    if total is None: total = node.outputs['Color']
    else:
        mix = tree.nodes.new('ShaderNodeMixRGB'); mix.blend_type = 'ADD'; mix.inputs[0].default_value = 1
        tree.links.new(total, mix.inputs[1]); tree.links.new(node.outputs['Color'], mix.inputs[2]); total = mix.outputs['Color']
tree.links.new(total, background.inputs['Color'])
bpy.ops.wm.save_as_mainfile(filepath=${JSON.stringify(file)}, relative_remap=False)
`,
  )
}

function linkWorld(file: string, library: string): void {
  runBlender(
    dirname(file),
    `
import bpy
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
scene.render.engine = 'CYCLES'
scene.render.resolution_x = scene.render.resolution_y = 8
scene.cycles.samples = 1
scene.cycles.use_adaptive_sampling = False
scene.cycles.use_denoising = False
scene.view_settings.view_transform = 'Standard'
camera = bpy.data.objects.new('Camera', bpy.data.cameras.new('Camera'))
scene.collection.objects.link(camera); scene.camera = camera
with bpy.data.libraries.load(${JSON.stringify(library)}, link=True) as (there, wanted): wanted.worlds = ['Green']
scene.world = wanted.worlds[0]
bpy.ops.wm.save_as_mainfile(filepath=${JSON.stringify(file)}, relative_remap=False)
`,
  )
}
