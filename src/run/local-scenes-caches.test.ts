/** What a scene reads frame by frame: caches of simulations, sequences, and files that nodes of a material read. */
import assert from 'node:assert/strict'
import { copyFileSync, cpSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { blenderMissing } from '#engines/blender/test-blender.ts'
import { openLocalScenes, runBlender, smallScene } from './test-local-scenes.ts'

const skip = blenderMissing()

test('a simulation that is baked to the disk looks on a node as it does here, also in the copy of the add-on', {
  skip,
}, async () => {
  const { folder, inspect, render } = openLocalScenes()
  const file = join(folder, 'shot/flag.blend')
  bakeCloth(file)
  const report = await inspect(file)
  assert.deepEqual([report.errors, report.warnings], [[], []])
  const caches = (sends: typeof report.sends) => sends.filter(({ to }) => to.startsWith('blendcache_flag/'))
  assert.equal(caches(report.sends).length, FRAMES)
  assertGreen(await render(report, FRAMES))
  // The scene with changes that are not saved, as the add-on sends it: beside the caches that have the scene's name.
  const copy = join(folder, 'shot/flag.shoal-4711.blend')
  copyFileSync(file, copy)
  const copied = await inspect(copy)
  assert.deepEqual([copied.file, caches(copied.sends).length], ['flag.blend', FRAMES])
  assert.equal(copied.sends.find(({ to }) => to === 'flag.blend')?.from, copy)
  assertGreen(await render(copied, FRAMES))
})

test('a cache in a folder elsewhere is sent, and found by the node', { skip }, async () => {
  const { folder, inspect, render } = openLocalScenes()
  const file = join(folder, 'shot/flag.blend')
  bakeCloth(file, join(folder, 'caches/of flags'))
  const report = await inspect(file)
  assert.deepEqual([report.errors, report.warnings], [[], []])
  assert.ok(report.sends.some(({ to }) => to === 'caches/of flags/flag_000012_00.bphys'))
  assertGreen(await render(report, FRAMES))
})

test('a cache that lies on another disk behind links is sent, and a link that leads nowhere is named', {
  skip,
}, async () => {
  const { folder, inspect, render } = openLocalScenes()
  const file = join(folder, 'shot/flag.blend')
  bakeCloth(file)
  const [cache, fast] = [join(folder, 'shot/blendcache_flag'), join(folder, 'fast disk')]
  cpSync(cache, fast, { recursive: true })
  const names = readdirSync(cache)
  for (const name of names) {
    rmSync(join(cache, name))
    symlinkSync(join(fast, name), join(cache, name))
  }
  const report = await inspect(file)
  const sent = report.sends.filter(({ to }) => to.startsWith('blendcache_flag/'))
  assert.deepEqual([report.errors, sent.length], [[], FRAMES])
  assertGreen(await render(report, FRAMES))
  rmSync(join(fast, names[0] ?? ''))
  await assert.rejects(inspect(file), { code: 'invalid_request', message: /a link that leads nowhere/ })
})

test('a folder with more files than a scene may have is named before anything is sent', {
  skip,
}, async () => {
  const { folder, inspect } = openLocalScenes()
  const file = join(folder, 'shot/flag.blend')
  bakeCloth(file)
  for (let number = 0; number <= 20_000; number++)
    writeFileSync(join(folder, `shot/blendcache_flag/old_${number}.bphys`), '')
  await assert.rejects(inspect(file), {
    code: 'invalid_request',
    message: /blendcache_flag has more than 20000 files/,
  })
})

test('of a sequence of Alembic files or of a clip, those of the frames are sent', { skip }, async () => {
  const { folder, inspect, render } = openLocalScenes()
  const boxes = join(folder, 'shot/boxes.blend')
  runBlender(dirname(boxes), `${plain}${alembicBoxes(join(folder, 'far/abc'), boxes)}`)
  const report = await inspect(boxes, [3])
  assert.deepEqual(report.errors, [])
  const names = ({ sends }: typeof report, of: string) =>
    sends
      .map(({ to }) => to)
      .filter((to) => to.startsWith(of))
      .toSorted()
  assert.deepEqual(names(report, 'far/abc/'), [
    'far/abc/box_0002.abc',
    'far/abc/box_0003.abc',
    'far/abc/box_0004.abc',
    'far/abc/held_0005.abc',
  ])
  const clip = join(folder, 'shot/clip.blend')
  runBlender(dirname(clip), `${plain}${clipOfThree(join(folder, 'shot/plates'), clip)}`)
  const shown = await inspect(clip, [12])
  assert.deepEqual(shown.errors, [])
  assert.deepEqual(names(shown, 'plates/'), ['plates/plate_0001.png', 'plates/plate_0003.png'])
  assertGreen(await render(shown, 12))
})

test('a light profile beside a texture is sent, and found by the node', { skip }, async () => {
  const { folder, inspect, render } = openLocalScenes()
  const file = join(folder, 'shot/lamp.blend')
  runBlender(dirname(file), `${plain}${profiledLamp(join(folder, 'studio'), file)}`)
  const report = await inspect(file)
  assert.deepEqual(report.errors, [])
  assert.deepEqual(report.sends.map(({ to }) => to).toSorted(), [
    'shot/lamp.blend',
    'studio/dark.ies',
    'studio/wood.png',
  ])
  // Without its profile, the lamp would be bright.
  const [, green = 1] = (await render(report)).values
  assert.ok(green < 0.1, `${green}`)
})

test('what no frame needs may be missing: a text of its own, an ocean that is not baked, clips of a film', {
  skip,
}, async () => {
  const { folder, inspect } = openLocalScenes()
  const file = join(folder, 'shot/sea.blend')
  runBlender(dirname(file), `${plain}${withScraps(file)}`)
  const { errors, sends } = await inspect(file)
  assert.deepEqual(errors, [])
  assert.deepEqual(
    sends.map(({ to }) => to),
    ['sea.blend'],
  )
})

const FRAMES = 12

const assertGreen = ({ values }: { readonly values: ArrayLike<number> }): void => {
  const [red = 1, green = 0, blue = 1] = Array.from(values).slice(0, 3)
  assert.ok(green > 0.9 && red < 0.1 && blue < 0.1, `${red} ${green} ${blue}`)
}

/** A picture of 8 × 8 pixels that are black where nothing is; `green` glows. */
const plain = `${smallScene}
import glob, os, shutil
scene.frame_end = ${FRAMES}
def camera(x, z):
    data = bpy.data.cameras.new('Camera'); data.type = 'ORTHO'; data.ortho_scale = 0.2
    one = bpy.data.objects.new('Camera', data); one.location = (x, -10.0, z); one.rotation_euler = (1.5708, 0.0, 0.0)
    scene.collection.objects.link(one); scene.camera = one
green = bpy.data.materials.new('Green'); green.use_nodes = True
glow = green.node_tree.nodes.new('ShaderNodeEmission'); glow.inputs[0].default_value = (0.0, 1.0, 0.0, 1.0)
green.node_tree.links.new(glow.outputs[0], green.node_tree.nodes['Material Output'].inputs[0])
`

/** A box that falls, baked to the disk, seen where it is in the last frame; its cache goes to \`far\`, where given. */
function bakeCloth(file: string, far: string | null = null): void {
  runBlender(
    dirname(file),
    `${plain}
bpy.ops.wm.save_as_mainfile(filepath=${JSON.stringify(file)})
bpy.ops.mesh.primitive_cube_add(size=0.5)
box = bpy.context.object; box.name = 'Box'; box.data.materials.append(green)
cache = box.modifiers.new('Cloth', 'CLOTH').point_cache
cache.frame_end = ${FRAMES}; cache.use_disk_cache = True
bpy.ops.ptcache.bake_all(bake=True)
scene.frame_set(${FRAMES})
points = box.evaluated_get(bpy.context.evaluated_depsgraph_get()).data.vertices
height = sum(point.co.z for point in points) / len(points)
assert height < -0.5, height
camera(0.0, height)
far = ${far === null ? 'None' : JSON.stringify(far)}
if far:
    os.makedirs(far)
    for number in range(1, ${FRAMES} + 1):
        [made] = glob.glob(os.path.join(os.path.dirname(bpy.data.filepath), 'blendcache_flag', '*_%06d_00.bphys' % number))
        shutil.move(made, os.path.join(far, 'flag_%06d_00.bphys' % number))
    cache.use_external = True; cache.name = 'flag'; cache.filepath = far
bpy.ops.wm.save_as_mainfile(filepath=${JSON.stringify(file)}, relative_remap=False)
`,
  )
}

/** Blenders without Alembic know what they name all the same. */
const alembicBoxes = (folder: string, file: string): string => `
os.makedirs(${JSON.stringify(folder)})
for number in range(1, 7):
    open(os.path.join(${JSON.stringify(folder)}, 'box_%04d.abc' % number), 'w').close()
for name in ('box_0001.abc', 'held_0001.abc'):
    bpy.ops.cachefile.open(filepath=os.path.join(${JSON.stringify(folder)}, name))
open(os.path.join(${JSON.stringify(folder)}, 'held_0005.abc'), 'w').close()
open(os.path.join(${JSON.stringify(folder)}, 'held_0006.abc'), 'w').close()
for cache in bpy.data.cache_files: cache.is_sequence = cache.use_fake_user = True
cache.override_frame = True; cache.frame = 5.0
camera(3.0, 0.0)
bpy.ops.wm.save_as_mainfile(filepath=${JSON.stringify(file)}, relative_remap=False)
`

/** Shown from frame 10 on; the third picture is green, the others red. */
const clipOfThree = (folder: string, file: string): string => `
os.makedirs(${JSON.stringify(folder)})
for number in range(1, 6):
    image = bpy.data.images.new('plate', 8, 8)
    image.pixels = ([0.0, 1.0, 0.0, 1.0] if number == 3 else [1.0, 0.0, 0.0, 1.0]) * 64
    image.filepath_raw = os.path.join(${JSON.stringify(folder)}, 'plate_%04d.png' % number)
    image.file_format = 'PNG'; image.save(); bpy.data.images.remove(image)
bpy.ops.wm.save_as_mainfile(filepath=${JSON.stringify(file)})
clip = bpy.data.movieclips.load(os.path.join(${JSON.stringify(folder)}, 'plate_0001.png'))
clip.filepath = '//plates/plate_0001.png'; clip.frame_start = 10
assert clip.source == 'SEQUENCE'
camera(0.0, 0.0)
scene.use_nodes = True
tree = scene.node_tree
shown = tree.nodes.new('CompositorNodeMovieClip'); shown.clip = clip
tree.links.new(shown.outputs[0], tree.nodes.new('CompositorNodeComposite').inputs[0])
for node in list(tree.nodes):
    if node.type == 'COMPOSITE' and not node.inputs[0].links: tree.nodes.remove(node)
bpy.ops.wm.save_as_mainfile(filepath=${JSON.stringify(file)}, relative_remap=False)
`

const withScraps = (file: string): string => `
bpy.ops.wm.save_as_mainfile(filepath=${JSON.stringify(file)})
folder = os.path.dirname(bpy.data.filepath)
image = bpy.data.images.new('shown', 8, 8)
image.filepath_raw = os.path.join(folder, 'shown.png'); image.file_format = 'PNG'; image.save()
bpy.data.images.remove(image)
open(os.path.join(folder, 'notes.py'), 'w').close()
bpy.data.texts.load(os.path.join(folder, 'notes.py'))
scene.sequence_editor_create().sequences.new_image('Shown', os.path.join(folder, 'shown.png'), 1, 1)
for name in ('notes.py', 'shown.png'): os.remove(os.path.join(folder, name))
bpy.ops.mesh.primitive_plane_add()
bpy.context.object.modifiers.new('Sea', 'OCEAN').filepath = '//cache_ocean'
camera(0.0, 0.0)
bpy.ops.wm.save_as_mainfile(filepath=${JSON.stringify(file)}, relative_remap=False)
`

/** A wall that a lamp lights by a profile which says: not at all. */
const profiledLamp = (folder: string, file: string): string => `
os.makedirs(${JSON.stringify(folder)})
profile = os.path.join(${JSON.stringify(folder)}, 'dark.ies')
with open(profile, 'w') as lines:
    lines.write('IESNA:LM-63-2002\\nTILT=NONE\\n1 1000 1.0 3 1 1 2 0 0 0\\n1.0 1.0 0\\n0 90 180\\n0\\n0 0 0\\n')
image = bpy.data.images.new('wood', 8, 8)
image.filepath_raw = os.path.join(${JSON.stringify(folder)}, 'wood.png'); image.file_format = 'PNG'; image.save()
image.source = 'FILE'; image.use_fake_user = True
bpy.ops.mesh.primitive_plane_add(size=4.0, location=(0.0, 1.0, 0.0), rotation=(1.5708, 0.0, 0.0))
lamp = bpy.data.lights.new('Lamp', 'POINT'); lamp.energy = 100.0; lamp.use_nodes = True
nodes = lamp.node_tree.nodes
node = nodes.new('ShaderNodeTexIES'); node.mode = 'EXTERNAL'; node.filepath = profile
emission = [one for one in nodes if one.type == 'EMISSION'][0]
lamp.node_tree.links.new(node.outputs[0], emission.inputs['Strength'])
one = bpy.data.objects.new('Lamp', lamp); one.location = (0.0, -1.0, 0.0); scene.collection.objects.link(one)
camera(0.0, 0.0)
bpy.ops.wm.save_as_mainfile(filepath=${JSON.stringify(file)}, relative_remap=False)
`
