import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { blenderMissing, makeScene } from '#engines/blender/test-blender.ts'
import { createLocalScenes } from './local-scenes.ts'
import { placeOfBlender } from './program-place.ts'

test('a Blender of the system is named as it was, and one that is missing, too', () => {
  assert.deepEqual(placeOfBlender('env', '/usr/bin:/bin'), { program: 'env', programFiles: [] })
  assert.deepEqual(placeOfBlender('/none/blender'), { program: '/none/blender', programFiles: [] })
  assert.deepEqual(placeOfBlender('none', '/usr/bin'), { program: 'none', programFiles: [] })
})

test('of a Blender elsewhere the sandbox shows the program, its data and libraries, through links, and nothing beside', async (t) => {
  const folder = makeArchive(t)
  const program = join(folder, 'blender')
  const programFiles = [program, join(folder, '4.2'), join(folder, 'lib')]
  const links = join(folder, 'links')
  mkdirSync(links)
  symlinkSync(program, join(links, 'blender'))
  for (const place of [
    placeOfBlender(program),
    placeOfBlender('blender', `:/none:${links}`),
    placeOfBlender(join(links, 'blender')),
  ])
    assert.deepEqual([place.program, place.programFiles.toSorted()], [program, programFiles.toSorted()])
})

test('a scene is looked through in the sandbox by a Blender that lies elsewhere, also by a link in the PATH', {
  skip: blenderMissing(),
}, async (t) => {
  const folder = makeArchive(t)
  const file = join(folder, 'scenes/shot.blend')
  makeScene(file, 'diffuse')
  const link = join(folder, 'links/blender')
  mkdirSync(dirname(link))
  symlinkSync(join(folder, 'blender'), link)
  for (const blender of [join(folder, 'blender'), link]) {
    const { signal } = new AbortController()
    const question = { file, blender, scene: undefined, frames: null, signal }
    const { errors, sandboxMissing } = await createLocalScenes().inspect(question)
    assert.deepEqual([errors, sandboxMissing], [[], null])
  }
})

/** As Blender's makers pack it; the program is one that starts the system's. */
function makeArchive(t: { after(run: () => Promise<void>): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-blender-'))
  t.after(() => rm(folder, { recursive: true }))
  writeFileSync(join(folder, 'blender'), '#!/bin/sh\nexec /usr/bin/blender "$@"\n')
  chmodSync(join(folder, 'blender'), 0o755)
  for (const name of ['4.2', 'lib', 'secrets']) mkdirSync(join(folder, name))
  return folder
}
