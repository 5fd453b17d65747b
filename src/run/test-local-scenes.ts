/** For tests: looks at scenes as `shoal render` does, and renders what was sent as a node does. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after } from 'node:test'
import type { SceneQuestion, SceneReport } from '#cli/jobs/job-tools.ts'
import { openEngine, openPicture, runTask } from '#engines/blender/test-blender.ts'
import type { Machine } from '#host/machine.ts'
import { createLocalScenes } from './local-scenes.ts'

export function runBlender(folder: string, script: string): void {
  mkdirSync(folder, { recursive: true })
  const made = spawnSync(
    'blender',
    ['-b', '--factory-startup', '-noaudio', '--python-exit-code', '9', '--python-expr', script],
    {
      encoding: 'utf8',
    },
  )
  assert.equal(made.status, 0, made.stdout + made.stderr)
}

export function openLocalScenes(machine?: Machine) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-scenes-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  const scenes = createLocalScenes(machine)
  let rendered = 0
  const inspect = (file: string, frames: SceneQuestion['frames'] = null): Promise<SceneReport> =>
    scenes.inspect({
      file,
      blender: 'blender',
      scene: undefined,
      frames,
      signal: new AbortController().signal,
    })
  /** As a node does, from what was sent alone. */
  const render = async ({ sends, file, remap }: SceneReport, frame = 1) => {
    const root = join(folder, `inputs-${++rendered}`)
    for (const { from, to } of sends) {
      mkdirSync(dirname(join(root, to)), { recursive: true })
      spawnSync('cp', [from, join(root, to)])
      assert.ok(existsSync(join(root, to)), to)
    }
    chmodSync(folder, 0o755)
    const engine = openEngine({ scratchFolder: join(folder, 'scratch') })
    const session = await engine.open({ root, settings: { file, remap } })
    const out = join(folder, `rendered-${rendered}`)
    const { files } = await runTask(session, { do: 'frame', frame }, out).finally(() => session.close())
    return openPicture(join(out, files[0]?.name ?? ''))
  }
  return { folder, inspect, render, scenes }
}

/** The beginning of a script for `runBlender`: `scene` is empty, and renders one sample of 8 × 8 pixels, in colours as they are. */
export const smallScene = `
import bpy
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
scene.render.engine = 'CYCLES'
scene.render.resolution_x = scene.render.resolution_y = 8
scene.cycles.samples = 1
scene.cycles.use_adaptive_sampling = False
scene.cycles.use_denoising = False
scene.view_settings.view_transform = 'Standard'
`
