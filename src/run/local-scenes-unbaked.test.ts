/** Simulations that are not baked: a picture follows from the scene and its frame alone, whatever was rendered before it. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { blenderMissing, openEngine, openPicture, runTask } from '#engines/blender/test-blender.ts'
import { openLocalScenes, runBlender, smallScene } from './test-local-scenes.ts'

test('a frame that a node renders behind others is the one that another renders alone', {
  skip: blenderMissing(),
}, async () => {
  const { folder, inspect } = openLocalScenes()
  const made = join(folder, 'scene/box.blend')
  runBlender(
    join(folder, 'scene'),
    `${fallingBox}\nbpy.ops.wm.save_as_mainfile(filepath=${JSON.stringify(made)})`,
  )
  const { warnings } = await inspect(made)
  assert.match(
    warnings[0]?.message ?? '',
    /^A simulation is not baked: the rigid bodies of 'Scene'\. .* Bake it first\.$/,
  )

  chmodSync(folder, 0o755)
  const pids: unknown[] = []
  const scratchFolder = join(folder, 'scratch')
  const engine = openEngine({ scratchFolder, onStart: (pid) => pids.push(pid) })
  const render = async (frames: readonly number[], crops?: string) => {
    const session = await engine.open({ root: join(folder, 'scene'), settings: { file: 'box.blend' } })
    try {
      const pictures: (readonly number[])[] = []
      for (const frame of frames) {
        const params = crops === undefined ? { do: 'frame', frame } : { do: 'crops', frame, crops }
        const { files } = await runTask(session, params, join(folder, 'out'))
        for (const { name } of files) pictures.push(Array.from(openPicture(join(folder, 'out', name)).values))
      }
      return pictures
    } finally {
      await session.close()
    }
  }
  const inARow = await render([2, 3, 4, 5, 6, 7, 8])
  const [alone] = await render([8])
  assert.deepEqual(inARow.at(-1), alone)
  assert.deepEqual(inARow[0], (await render([2]))[0])
  // Each crop of a frame is the same as the one before it.
  const [first, second] = await render([2], '0,0,8,8;0,0,8,8')
  assert.deepEqual(second, first)
  // An inspection is no picture: the Blender stays.
  const before = pids.length
  const session = await engine.open({ root: join(folder, 'scene'), settings: { file: 'box.blend' } })
  for (let time = 0; time < 2; time++) await runTask(session, { do: 'inspect' }, join(folder, 'out'))
  // What a picture's simulation writes is gone before the next.
  const [name = ''] = readdirSync(scratchFolder)
  const left = join(scratchFolder, name, 'out/cache_000001.bphys')
  writeFileSync(left, '')
  await runTask(session, { do: 'frame', frame: 2 }, join(folder, 'out'))
  await runTask(session, { do: 'inspect' }, join(folder, 'out'))
  const isLeft = existsSync(left)
  await session.close()
  assert.equal(isLeft, false)
  assert.equal(pids.length, before + 2)
})

/** A box in front of the camera, falling out of its sight. */
const fallingBox = `${smallScene}
s = scene
data = bpy.data.cameras.new('Camera'); data.type = 'ORTHO'; data.ortho_scale = 0.2
camera = bpy.data.objects.new('Camera', data); camera.location = (0.0, -10.0, 0.2); camera.rotation_euler = (1.5708, 0.0, 0.0)
s.collection.objects.link(camera); s.camera = camera
green = bpy.data.materials.new('Green'); green.use_nodes = True
glow = green.node_tree.nodes.new('ShaderNodeEmission'); glow.inputs[0].default_value = (0.0, 1.0, 0.0, 1.0)
green.node_tree.links.new(glow.outputs[0], green.node_tree.nodes['Material Output'].inputs[0])
bpy.ops.mesh.primitive_cube_add(size=0.5)
bpy.context.object.data.materials.append(green)
bpy.ops.rigidbody.world_add(); s.rigidbody_world.collection = bpy.data.collections.new('Falling')
bpy.ops.rigidbody.object_add(type='ACTIVE')
`
