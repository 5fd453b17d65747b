import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Host } from '#host/host.ts'
import type { Machine } from '#host/machine.ts'
import { nodeClock } from '#host/node/node-clock.ts'
import { Problem } from '#protocol/problem.ts'
import { taskEngines, taskMemoryMib } from './task-engines.ts'

test('scripts in a scene run where programs of jobs do, and nowhere else', async () => {
  const { openScripted } = setup()
  assert.deepEqual(await openScripted({ takesCommands: false }), {
    code: 'not_supported',
    isAllowed: false,
    message:
      'The job wants scripts of the scene to run, and this node runs none: its owner allows them with --job-commands.',
  })
  assert.equal((await openScripted({ takesCommands: true })).isAllowed, true)
  // One that checks what others made has to see what they saw.
  assert.equal((await openScripted({ takesCommands: true, onlyAudits: true })).isAllowed, true)
})

test('a node that only checks takes no programs of jobs, whatever it lets scenes do', () => {
  const { offered } = setup()
  assert.deepEqual(offered({ takesCommands: true }), ['blender', 'ffmpeg', 'command'])
  assert.deepEqual(offered({ takesCommands: false }), ['blender', 'ffmpeg'])
  assert.deepEqual(offered({ takesCommands: true, onlyAudits: true }), ['blender'])
})

test('a node says of its memory what a task may use', () => {
  const { machine } = setup()
  assert.equal(taskMemoryMib(machine), 819)
})

function setup() {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-task-engines-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  const root = join(folder, 'scene')
  mkdirSync(root)
  writeFileSync(join(root, 'scene.blend'), `BLENDER-v304${'\0'.repeat(100)}`)
  // Of a whole host and machine what engines ask for before they start a program.
  const host = {
    clock: nodeClock,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    secrets: { randomBytes: (length: number) => randomBytes(length) },
  } as unknown as Host
  const machine = {
    facts: () => ({ memoryMib: 1_024 }),
    run: async () => ({ code: 0, stdout: 'Blender 3.4.1\n', stderr: '' }),
  } as unknown as Machine
  const config = { threads: 1, device: 'CPU', cacheMib: null, askPerHour: 0n } as const
  const found = { blender: '3.4.1', ffmpeg: '5.1', sandboxMissing: null }
  const engines = ({ takesCommands = false, onlyAudits = false }) =>
    taskEngines({ ...config, takesCommands, onlyAudits }, found, { host, machine, folder }).map(
      ({ engine }) => engine,
    )

  async function openScripted(rules: { takesCommands?: boolean; onlyAudits?: boolean }) {
    const [blender] = engines(rules)
    assert(blender)
    const settings = { file: 'scene.blend', allowScripts: true }
    // What is there of a scene is none, so that nothing comes of it in any case.
    const problem = await blender.open({ root, settings }).then(
      () => new Problem('internal', 'It was opened.'),
      (error: unknown) => error,
    )
    assert(problem instanceof Problem)
    const { code, message } = problem
    return { code, message, isAllowed: code !== 'not_supported' }
  }

  return { machine, openScripted, offered: (rules: object) => engines(rules).map(({ kind }) => kind) }
}
