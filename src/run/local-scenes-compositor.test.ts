/** A still of a scene whose compositor makes something else of what was rendered is not cut by its samples. */
import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { blenderMissing, openEngine, runTask } from '#engines/blender/test-blender.ts'
import { openLocalScenes, runBlender } from './test-local-scenes.ts'

test('a scene says whether its compositor has a part in the picture, and its ranges are refused if so', {
  skip: blenderMissing(),
}, async () => {
  const { folder, inspect } = openLocalScenes()
  const isComposited = async (name: string, nodes: string): Promise<boolean> => {
    const file = join(folder, `${name}/scene.blend`)
    runBlender(
      join(folder, name),
      `${scene}${nodes}\nbpy.ops.wm.save_as_mainfile(filepath=${JSON.stringify(file)})`,
    )
    return (await inspect(file)).facts.isComposited
  }
  assert.equal(await isComposited('none', ''), false)
  assert.equal(await isComposited('bare', 's.use_nodes = True'), false)
  assert.equal(await isComposited('off', `${gamma}\ns.render.use_compositing = False`), false)
  assert.equal(await isComposited('gamma', gamma), true)

  chmodSync(folder, 0o755)
  const engine = openEngine({ scratchFolder: join(folder, 'scratch') })
  const rangeOf = async (name: string) => {
    const session = await engine.open({ root: join(folder, name), settings: { file: 'scene.blend' } })
    const range = { do: 'range', frame: 1, sampleOffset: 0, samples: 2 }
    return runTask(session, range, join(folder, `out-${name}`)).finally(() => session.close())
  }
  assert.equal((await rangeOf('bare')).files.length, 1)
  await assert.rejects(
    rangeOf('gamma'),
    /the scene has compositor nodes, which need all samples in one place/,
  )
})

const scene = `
import bpy
s = bpy.context.scene
s.render.engine = 'CYCLES'
s.render.resolution_x = s.render.resolution_y = 16
s.cycles.samples = 4
s.cycles.use_adaptive_sampling = False
s.cycles.use_denoising = False
`

const gamma = `
s.use_nodes = True
t = s.node_tree
g = t.nodes.new('CompositorNodeGamma')
g.inputs[1].default_value = 2.2
t.links.new(t.nodes['Render Layers'].outputs['Image'], g.inputs[0])
t.links.new(g.outputs[0], t.nodes['Composite'].inputs['Image'])
`
