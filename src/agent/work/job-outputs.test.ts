/** What a killed process leaves on the disk, as the next one finds it. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { BlobWire } from '#host/blobs/blob-wire.ts'
import { nodeCompression } from '#host/node/node-compression.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { createNodeFileAccess } from '#host/node/node-file-access.ts'
import { createNodeHasher } from '#host/node/node-hasher.ts'
import { nodeTaskFiles } from '#host/node/node-task-files.ts'
import { Problem } from '#protocol/problem.ts'
import type { TaskGrant } from '#protocol/work-link.ts'
import { openJobOutputs } from './job-outputs.ts'

test('a whole result outlives its process; what is damaged, unfinished or dropped does not', async (t) => {
  const { open, folder, make } = setup(t)
  const first = await open()
  const results = await Promise.all([1, 2, 3, 4].map((fence) => make(first, fence)))
  await Promise.all(results.map((result) => first.keep(result)))
  const unfinished = await first.makeFolder(5)
  writeFileSync(join(unfinished, 'a.png'), 'half of it')
  writeFileSync(join(results[1]?.folder ?? '', 'a.png'), 'not it')
  rmSync(join(results[2]?.folder ?? '', 'a.png'))
  await first.drop(results[3]?.folder ?? '')
  writeFileSync(join(folder, '9-9.json'), '{"grant":')

  const second = await open()
  assert.deepEqual(second.kept, [results[0]])
  assert.deepEqual(readdirSync(folder).sort(), ['1-0', '1-0.json'])
  assert.ok(!(await second.makeFolder(1)).endsWith('1-0'), 'its folder is not given away')
  await second.drop(results[0]?.folder ?? '')
  assert.ok(!existsSync(join(folder, '1-0.json')))
  assert.deepEqual((await open()).kept, [])
})

test('each file of a result that got away is told, and of those that did not nothing', async (t) => {
  let puts = 0
  const { open, make } = setup(t, {
    put: async () => {
      if (++puts === 3) throw new Problem('network_unreachable', 'away')
      return true
    },
  })
  const outputs = await open()
  const { folder, files } = await make(outputs, 1, 4)
  let moved = 0
  const onProgress = (): void => {
    moved++
  }
  const watch = { token: () => '', signal: new AbortController().signal, onProgress }
  await assert.rejects(outputs.send({ folder, files }, watch), { code: 'network_unreachable' })
  assert.equal(moved, 2)
})

function setup(t: { after(run: () => void): void }, wire?: Partial<BlobWire>) {
  const base = mkdtempSync(join(tmpdir(), 'shoal-outputs-'))
  t.after(() => rmSync(base, { recursive: true, force: true }))
  const folder = join(base, 'outputs')
  mkdirSync(folder)
  const open = () =>
    openJobOutputs({
      files: createNodeFileAccess(join(base, 'temporary')),
      taskFiles: nodeTaskFiles,
      createHasher: createNodeHasher,
      crypto: nodeCrypto,
      compression: nodeCompression,
      wireFor: () => (wire ?? assert.fail('nothing is sent here')) as BlobWire,
      folder,
    })
  async function make(outputs: Awaited<ReturnType<typeof open>>, fence: number, count = 1) {
    const own = await outputs.makeFolder(fence)
    const files = Array.from({ length: count }, (_, at) => {
      const [name, text] = [`${'abcd'[at]}.png`, `frame of ${fence}, ${at}`]
      writeFileSync(join(own, name), text)
      return { name, bytes: text.length, sha256: createHash('sha256').update(text).digest('hex') }
    })
    return { grant: { ...grant, fence }, folder: own, files, wallMs: 3 }
  }
  return { open, folder, make }
}

const grant: TaskGrant = {
  ...{ kind: 'grant', fence: 0, jobId: 'job_1', organisationId: 'org', step: 0, task: 0 },
  ...{ engine: 'command', settings: {}, params: {}, inputRoot: null, files: [], estimateMs: 1_000 },
}
