/** Files and batches on a network of several gateways, each a process of its own. */
import assert from 'node:assert/strict'
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import OpenAI, { toFile } from 'openai'
import { type Outgrown, outgrownMissing, startOutgrown } from './outgrown.ts'
import { groupMembers, until } from './process-group.ts'
import { awaitNetwork } from './rig.ts'

let outgrown: Outgrown
let here: OpenAI
let there: OpenAI
before(async () => {
  if (outgrownMissing) return
  outgrown = await startOutgrown({ coordinators: 1 })
  here = outgrown.network.openai
  there = await anotherGateway()
})
after(() => outgrown?.dispose())

const skip = outgrownMissing

test('whichever gateway is asked, files and batches of all of them are there', { skip }, async () => {
  const file = await here.files.create({ purpose: 'batch', file: await toFile(input(20), 'input.jsonl') })
  await until('the gateways to know one another', () => there.files.retrieve(file.id).catch(() => null))
  const { id } = await there.batches.create(orderOf(file.id))
  const done = await finished(there, id)
  assert.deepEqual(done.request_counts, { total: 20, completed: 20, failed: 0 })
  const results = await (await there.files.content(done.output_file_id ?? '')).text()
  assert.equal(results, await (await here.files.content(done.output_file_id ?? '')).text())
  const large = Buffer.alloc(3_000_000, input(1))
  const other = await there.files.create({ purpose: 'batch', file: await toFile(large, 'large.jsonl') })
  const copy = Buffer.from(await (await here.files.content(other.id)).arrayBuffer())
  assert.equal(Buffer.compare(copy, large), 0)
  assert.deepEqual(
    (await here.files.list()).data.map(({ id }) => id),
    (await there.files.list()).data.map(({ id }) => id),
  )
  assert.equal((await here.files.delete(other.id)).deleted, true)
})

test('a gateway that is killed goes on with its batches, and others say that it is away', {
  skip,
}, async () => {
  const file = await here.files.create({ purpose: 'batch', file: await toFile(input(200), 'input.jsonl') })
  const { id } = await here.batches.create(orderOf(file.id))
  await until(
    'some lines',
    async () => ((await here.batches.retrieve(id)).request_counts?.completed ?? 0) > 20,
  )
  const worker = groupMembers(outgrown.gateway.pid).find(({ title }) => title === 'shoal gateway')
  assert.ok(worker)
  process.kill(worker.pid, 'SIGKILL')
  const done = await until('the batch to be over', async () => {
    const batch = await there.batches.retrieve(id).catch((error: unknown) => {
      assert.ok(error instanceof OpenAI.APIError && error.status === 503, String(error))
      return null
    })
    return batch?.status === 'completed' ? batch : null
  })
  assert.deepEqual(done.request_counts, { total: 200, completed: 200, failed: 0 })
})

async function anotherGateway(): Promise<OpenAI> {
  const { rig, nats, network } = outgrown
  const readyFile = join(mkdtempSync(rig.path('ready-')), 'ready.json')
  const common = ['--bus', nats.url, '--secrets', rig.path('shared-secrets'), '--port', '0']
  const program = rig.start([
    'gateway',
    '--data',
    rig.path('gateway-2'),
    '--ready-file',
    readyFile,
    ...common,
  ])
  return (await awaitNetwork({ program, folder: network.folder, readyFile })).openai
}

const orderOf = (input_file_id: string) =>
  ({ input_file_id, endpoint: '/v1/chat/completions', completion_window: '24h' }) as const

function input(count: number): Buffer {
  const lines = Array.from({ length: count }, (_, index) =>
    JSON.stringify({
      custom_id: `l${index}`,
      method: 'POST',
      url: '/v1/chat/completions',
      body: { model: 'tiny', messages: [{ role: 'user', content: `line ${index}` }], max_tokens: 60 },
    }),
  )
  return Buffer.from(`${lines.join('\n')}\n`)
}

const finished = (client: OpenAI, id: string) =>
  until('the batch to be over', async () => {
    const batch = await client.batches.retrieve(id)
    return batch.status === 'completed' ? batch : null
  })
