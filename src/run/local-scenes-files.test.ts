/** Which files a scene needs: paths as Windows writes them, links, sequences of the frames that are asked for, sounds. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { blenderMissing, openEngine, openPicture, runTask } from '#engines/blender/test-blender.ts'
import { openLocalScenes, runBlender, smallScene } from './test-local-scenes.ts'

const skip = blenderMissing()

test('a texture whose path Windows wrote is found: Blender turns such paths as it opens a scene', {
  skip,
}, async () => {
  const { folder, inspect } = openLocalScenes()
  const file = join(folder, 'shots/one/scene.blend')
  make(file, [
    `save(${quoted(file)})`,
    `sky(picture(${quoted(join(folder, 'shared/tex/a.png'))}, GREEN), '//..\\\\..\\\\shared\\\\tex\\\\a.png')`,
    `save(${quoted(file)})`,
  ])
  const report = await inspect(file)
  assert.deepEqual([report.errors, names(report)], [[], ['shared/tex/a.png', 'shots/one/scene.blend']])
})

test('a .blend that is a link is the scene that it leads to', { skip }, async () => {
  const { folder, inspect, render } = openLocalScenes()
  const file = join(folder, 'shots/scene_v12.blend')
  make(file, [
    `save(${quoted(file)})`,
    `sky(picture(${quoted(join(folder, 'shots/tex/a.png'))}, GREEN), '//tex/a.png')`,
    `save(${quoted(file)})`,
  ])
  for (const link of ['shots/latest.blend', 'latest.blend']) {
    symlinkSync(file, join(folder, link))
    const report = await inspect(join(folder, link))
    assert.deepEqual([report.errors, report.file], [[], 'scene_v12.blend'])
    assertGreen(await render(report))
  }
})

test('a file that lay below a folder of the name that scenes have on nodes is found there', {
  skip,
}, async () => {
  const { folder } = openLocalScenes()
  const file = join(folder, 'inputs/scene.blend')
  make(file, [
    `sky(picture(${quoted(join(folder, 'inputs/tex/a.png'))}, GREEN), '/scene/film/tex/a.png')`,
    `save(${quoted(file)})`,
  ])
  chmodSync(folder, 0o755)
  const engine = openEngine({ scratchFolder: join(folder, 'scratch') })
  const settings = { file: 'scene.blend', remap: { '/scene/film/': '' } }
  const session = await engine.open({ root: join(folder, 'inputs'), settings })
  const { files } = await runTask(session, { do: 'frame', frame: 1 }, join(folder, 'out')).finally(() =>
    session.close(),
  )
  assertGreen(openPicture(join(folder, 'out', files[0]?.name ?? '')))
})

test('of a sequence, the pictures of the frames that are asked for are sent, and those between need not be there', {
  skip,
}, async () => {
  const { folder, inspect } = openLocalScenes()
  const file = join(folder, 'shot/plate.blend')
  const plates = join(folder, 'shot/plates')
  make(file, [
    ...[1, 2, 5, 6, 9].map((number) => `picture(${quoted(join(plates, `plate_000${number}.png`))}, GREEN)`),
    `user = sky(${quoted(join(plates, 'plate_0001.png'))}, '//plates/plate_0001.png')`,
    `user.image.source = 'SEQUENCE'`,
    'user.image_user.frame_start = 1; user.image_user.frame_duration = 9',
    `save(${quoted(file)})`,
  ])
  const report = await inspect(file, [1, 2, 6])
  const sent = [1, 2, 6].map((number) => `plates/plate_000${number}.png`)
  assert.deepEqual([report.errors, names(report)], [[], ['plate.blend', ...sent]])
  const { errors } = await inspect(file, [2, 3, 4])
  assert.equal(errors.length, 2)
  assert.match(errors[0] ?? '', /there is no file .*plate_0003\.png/)
})

test('a sequence that a texture displaces by is sent as far as the frames need it', { skip }, async () => {
  const { folder, inspect } = openLocalScenes()
  const file = join(folder, 'shot/sea.blend')
  const waves = join(folder, 'shot/waves')
  make(file, [
    ...[1, 2, 3, 4, 5, 6].map((number) => `picture(${quoted(join(waves, `wave_000${number}.png`))}, GREEN)`),
    `image = bpy.data.images.load(${quoted(join(waves, 'wave_0001.png'))}); image.source = 'SEQUENCE'`,
    `texture = bpy.data.textures.new('Waves', 'IMAGE'); texture.image = image`,
    'texture.image_user.frame_start = 1; texture.image_user.frame_duration = 6',
    'bpy.ops.mesh.primitive_plane_add()',
    `bpy.context.object.modifiers.new('Sea', 'DISPLACE').texture = texture`,
    `save(${quoted(file)})`,
  ])
  const report = await inspect(file, [4])
  // Those beside it for what is blurred.
  const sent = [3, 4, 5].map((number) => `waves/wave_000${number}.png`)
  assert.deepEqual([report.errors, names(report)], [[], ['sea.blend', ...sent]])
  rmSync(join(waves, 'wave_0004.png'))
  assert.match((await inspect(file, [4])).errors[0] ?? '', /wave_0004\.png/)
})

test('of a sequence that geometry nodes are given, all that is there is sent', { skip }, async () => {
  const { folder, inspect } = openLocalScenes()
  const file = join(folder, 'shot/hills.blend')
  const hills = join(folder, 'shot/hills')
  make(file, [
    ...[1, 2, 3].map((number) => `picture(${quoted(join(hills, `hill_000${number}.png`))}, GREEN)`),
    `image = bpy.data.images.load(${quoted(join(hills, 'hill_0001.png'))}); image.source = 'SEQUENCE'`,
    `group = bpy.data.node_groups.new('Hills', 'GeometryNodeTree')`,
    `group.nodes.new('GeometryNodeImageTexture').inputs['Image'].default_value = image`,
    'bpy.ops.mesh.primitive_plane_add()',
    `bpy.context.object.modifiers.new('Hills', 'NODES').node_group = group`,
    `save(${quoted(file)})`,
  ])
  const sent = [1, 2, 3].map((number) => `hills/hill_000${number}.png`)
  assert.deepEqual(names(await inspect(file, [2])), ['hills.blend', ...sent])
})

test('sounds are neither sent nor missed', { skip }, async () => {
  const { folder, inspect } = openLocalScenes()
  const file = join(folder, 'shot/talk.blend')
  const voice = join(folder, 'shot/voice.wav')
  make(file, [
    'import wave',
    `made = wave.open(${quoted(voice)}, 'wb'); made.setnchannels(1); made.setsampwidth(2); made.setframerate(8000)`,
    'made.writeframes(bytes(1600)); made.close()',
    `scene.sequence_editor_create().sequences.new_sound('Voice', ${quoted(voice)}, 1, 1)`,
    `bpy.data.sounds[0].filepath = '//voice.wav'; save(${quoted(file)})`,
  ])
  const { errors, ...report } = await inspect(file)
  assert.deepEqual([errors, names(report)], [[], ['talk.blend']])
  renameSync(voice, join(folder, 'elsewhere.wav'))
  assert.deepEqual((await inspect(file)).errors, [])
})

test('all tiles of a texture count, of whatever size', { skip }, async () => {
  const { folder, inspect } = openLocalScenes()
  const file = join(folder, 'shot/tiles.blend')
  const tiles = join(folder, 'shot/tex')
  make(file, [
    `picture(${quoted(join(tiles, 'skin.1001.png'))}, GREEN)`,
    `picture(${quoted(join(tiles, 'skin.1002.png'))}, GREEN, 32)`,
    `picture(${quoted(join(tiles, 'skin.1003.png'))}, GREEN)`,
    `user = sky(${quoted(join(tiles, 'skin.1001.png'))}, '//tex/skin.1001.png')`,
    `image = user.image; image.source = 'TILED'; image.filepath = '//tex/skin.<UDIM>.png'`,
    'for number in (1002, 1003): image.tiles.new(number)',
    `save(${quoted(file)})`,
  ])
  const report = await inspect(file)
  assert.deepEqual([report.errors, report.sends.length], [[], 4])
  assert.equal(report.facts.imageBytes, (2 * 8 * 8 + 32 * 32) * 4)
})

const quoted = (text: string): string => JSON.stringify(text)
const names = ({ sends }: { readonly sends: readonly { readonly to: string }[] }): readonly string[] =>
  sends.map(({ to }) => to).toSorted()

const assertGreen = ({ values }: { readonly values: ArrayLike<number> }): void => {
  const [red = 1, green = 0, blue = 1] = Array.from(values).slice(0, 3)
  assert.ok(green > 0.9 && red < 0.1 && blue < 0.1, `${red} ${green} ${blue}`)
}

/** A picture of 8 × 8 pixels of whatever the sky is. */
function make(file: string, lines: readonly string[]): void {
  mkdirSync(dirname(file), { recursive: true })
  runBlender(dirname(file), [plain, ...lines].join('\n'))
}

const plain = `${smallScene}
import os
camera = bpy.data.objects.new('Camera', bpy.data.cameras.new('Camera'))
scene.collection.objects.link(camera); scene.camera = camera
GREEN = [0.0, 1.0, 0.0, 1.0]
def save(path):
    bpy.ops.wm.save_as_mainfile(filepath=path, relative_remap=False)
def picture(path, color, size=8):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    made = bpy.data.images.new(os.path.basename(path), size, size)
    made.pixels = color * size * size
    made.filepath_raw = path; made.file_format = 'PNG'; made.save()
    bpy.data.images.remove(made)
    return path
def sky(path, name):
    scene.world = bpy.data.worlds.new('Sky'); scene.world.use_nodes = True
    tree = scene.world.node_tree
    node = tree.nodes.new('ShaderNodeTexEnvironment')
    node.image = bpy.data.images.load(path); node.image.filepath = name
    tree.links.new(node.outputs['Color'], tree.nodes['Background'].inputs['Color'])
    return node
`
