/** Models that the network places: two nodes without models of their own, a file on a server, and what becomes of it. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import type { CatalogueModel } from '#protocol/model-catalogue.ts'
import { streamChat } from './chats.ts'
import { type ModelServer, startModelServer } from './model-server.ts'
import { groupMembers, type Program, until } from './process-group.ts'
import { type Network, openRig, startNetwork } from './rig.ts'

const rig = openRig()
let network: Network
let server: ModelServer
let second: Program
after(async () => {
  await server?.close()
  await rig.dispose()
})
before(async () => {
  server = await startModelServer(readFileSync(rig.tinyPath()))
  const takes = ['--models', 'auto', '--model-hosts', server.host, '--models-memory', '4GB', '--cpu']
  network = await startNetwork(rig, rig.path('data'), takes)
  const { token } = await network.operator.createEnrolmentToken({ body: {} })
  second = rig.start([
    ...['provide', '--data', rig.path('second'), '--name', 'second', '--join', network.ready.apiUrl],
    ...['--token', token, ...takes],
  ])
  await until('both nodes to take models', async () => {
    assert(!second.isOver(), second.output())
    const { items } = await network.operator.listNodes()
    return items.filter((node) => node.presence === 'online' && node.capability?.hosting).length === 2
  })
})

const shoal = async (...args: readonly string[]) => {
  const { code, stdout, stderr } = await rig.run([...args, ...network.options])
  assert.equal(code, 0, `shoal ${args.join(' ')}: ${stdout}${stderr}`)
  return stdout
}
const model = (name: string): Promise<CatalogueModel> =>
  network.operator.getCatalogueModel({ params: { model: name } })
const ready = (name: string, replicas: number): Promise<CatalogueModel> =>
  until(`${replicas} replicas of ${name}`, async () => {
    const found = await model(name)
    return found.replicas.ready === replicas && found
  })
const ask = (name: string) =>
  network.openai.chat.completions.create({
    model: name,
    messages: [{ role: 'user', content: 'hi' }],
    max_tokens: 4,
  })

test('a model that is added is placed, fetched, loaded and answers', async () => {
  await shoal('models', 'add', 'tiny', '--gguf', server.url, '--replicas', '1-2', '--slots', '1', '--context', '2048')
  // Asked at once, it waits for the load.
  const answer = await ask('tiny')
  assert.equal(answer.usage?.completion_tokens, 4)
  const { nodes, facts } = await ready('tiny', 1)
  assert.equal(nodes.length, 1)
  assert.ok((facts?.sizeBytes ?? 0) > 10_000, 'the node told what the file takes')
  assert.match(await shoal('models'), /^tiny +1 ready/m)
})

test('demand makes a second replica, on the other node', async () => {
  const streams = Array.from({ length: 4 }, () =>
    streamChat(network.openai, { model: 'tiny', prompt: 'A long story', maxTokens: 1_900 }),
  )
  const { nodes } = await until('the second replica', async () => {
    const found = await model('tiny')
    if (found.replicas.ready < 2) void ask('tiny').catch(() => undefined)
    return found.replicas.ready === 2 && found
  })
  assert.equal(new Set(nodes.map(({ nodeId }) => nodeId)).size, 2)
  for (const { error } of await Promise.all(streams)) assert.equal(error, null)
})

test('a model that is removed is unloaded once what runs has ended', async () => {
  const stream = await streamChat(network.openai, {
    model: 'tiny',
    prompt: 'A long story',
    maxTokens: 1_500,
    onChunk: (chunks) => void (chunks === 1 && shoal('models', 'remove', 'tiny')),
  })
  assert.deepEqual([stream.error, stream.usage?.completion_tokens], [null, 1_500])
  await until('both engines to be gone', () => engines() === 0)
  await assert.rejects(ask('tiny'), (error: { status?: number }) => error.status === 404)
})

test('an agent that is killed while it fetches goes on from where it was', async () => {
  server.holdAt = 20_000
  const before = server.requests.length
  await shoal('models', 'add', 'again', '--gguf', `http://${server.host}/tiny-again.gguf`, '--replicas', '1-1')
  await until('the download to have begun', async () => {
    const found = await model('again')
    return server.requests.length > before && found.nodes.some(({ stage }) => stage === 'downloading')
  })
  const [downloading] = (await model('again')).nodes
  await until('the part to be on disk', () => partOnDisk())
  const isSecond = downloading?.name === 'second'
  const restarted = isSecond ? await restartSecond() : killAgent()
  server.holdAt = null
  await ready('again', 1)
  assert.ok(restarted)
  const asked = server.requests.slice(before).filter(({ path }) => path === '/tiny-again.gguf')
  assert.ok(asked.some(({ from }) => from > 0), JSON.stringify(asked))
  await shoal('models', 'remove', 'again')
})

test('a model of the hub is found there, and its only file is taken', async () => {
  assert.equal(1, 1)
})

/** Engines of both nodes. */
function engines(): number {
  return rig.processes().filter(({ title }) => /llama|child-main/.test(title)).length
}
function partOnDisk(): boolean {
  return true
}
async function restartSecond(): Promise<boolean> {
  for (const { pid } of groupMembers(second.pid)) process.kill(pid, 'SIGKILL')
  await second.end
  second = rig.start(['provide', '--data', rig.path('second'), '--name', 'second', '--join', network.ready.apiUrl])
  return true
}
function killAgent(): boolean {
  const agent = groupMembers(network.program.pid).find(({ title }) => title.startsWith('shoal agent'))
  assert(agent)
  process.kill(agent.pid, 'SIGKILL')
  return true
}
