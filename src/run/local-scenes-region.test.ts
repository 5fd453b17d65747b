/** A scene that renders a part of the picture says how large the file is that comes of it, which is what frames are checked by. */
import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { blenderMissing, openEngine, openPicture, runTask } from '#engines/blender/test-blender.ts'
import { Problem } from '#protocol/problem.ts'
import { failureClassOf } from '#protocol/task-failure.ts'
import { openLocalScenes, runBlender } from './test-local-scenes.ts'

test('a render region counts as what is cut out of the picture, and a step that says another size is told so', {
  skip: blenderMissing(),
}, async () => {
  const { folder, inspect } = openLocalScenes()
  chmodSync(folder, 0o755)
  const made = join(folder, 'scene/scene.blend')
  runBlender(join(folder, 'scene'), `${scene}\nbpy.ops.wm.save_as_mainfile(filepath=${JSON.stringify(made)})`)
  const { width, height } = (await inspect(made)).facts
  // Of 90 by 45 pixels from 9.9 to 45.9 and from 4.95 to 40.95.
  assert.deepEqual([width, height], [45 - 9, 40 - 4])

  const engine = openEngine({ scratchFolder: join(folder, 'scratch') })
  const render = async (settings: object, params: object = {}) => {
    const session = await engine.open({
      root: join(folder, 'scene'),
      settings: { file: 'scene.blend', ...settings },
    })
    const task = { do: 'frame', frame: 1, ...params }
    const { files, notes } = await runTask(session, task, join(folder, 'out')).finally(() => session.close())
    const picture = await openPicture(join(folder, 'out', files[0]?.name ?? ''))
    return [picture.width, picture.height, notes['width'], notes['height']]
  }
  assert.deepEqual(await render({ width, height }), [width, height, width, height])
  assert.equal((await render({ width, height }, { scale: 0.5 }))[0], 22 - 4)
  const problem = await render({ width: 90, height: 45 }).catch((error: unknown) => error)
  assert(problem instanceof Problem, String(problem))
  assert.match(problem.message, /frame 1 has 36 x 36 pixels, and the step says that it has 90 x 45/)
  assert.equal(failureClassOf(problem), 'task')
})

const scene = `
import bpy
s = bpy.context.scene
s.render.engine = 'CYCLES'
s.render.resolution_x, s.render.resolution_y, s.render.resolution_percentage = 180, 90, 50
s.render.use_border = s.render.use_crop_to_border = True
s.render.border_min_x, s.render.border_max_x = 0.11, 0.51
s.render.border_min_y, s.render.border_max_y = 0.11, 0.91
s.cycles.samples = 1
s.cycles.use_adaptive_sampling = False
s.cycles.use_denoising = False
`
