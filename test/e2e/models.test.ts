/** Models that the network places: two nodes without models of their own, a file on a server, and what becomes of it. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { CatalogueModel } from '#protocol/model-catalogue.ts'
import { extensionOf, streamChat } from './chats.ts'
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
  const takes = [
    ...['--models', 'auto', '--models-memory', '4GB', '--cpu'],
    ...['--model-hosts', server.host, '--model-hub', `http://${server.host}`],
  ]
  network = await startNetwork(rig, rig.path('data'), takes)
  const { token } = await network.operator.createEnrolmentToken({ body: {} })
  second = rig.start([
    ...[
      'provide',
      '--render',
      'off',
      '--data',
      rig.path('second'),
      '--name',
      'second',
      '--join',
      network.ready.apiUrl,
    ],
    ...['--token', token, ...takes],
    ...['--model-upstreams', new URL(network.ready.apiUrl).host, '--upstream-key', network.ready.apiKey],
  ])
  await until('both nodes to take models', async () => {
    assert(!second.isOver(), second.output())
    const { items } = await network.operator.listNodes()
    return items.filter((node) => node.presence === 'online' && node.capability?.hosting).length === 2
  })
})

test('a model that is added is placed, fetched, loaded and answers', async () => {
  await shoal(
    'models',
    'add',
    'tiny',
    '--gguf',
    server.url,
    '--replicas',
    '1-2',
    '--slots',
    '1',
    '--context',
    '2048',
  )
  await until('the gateway to know it', async () => (await listed()).includes('tiny'))
  // Asked while it is loaded, it waits for that.
  assert.equal((await ask('tiny')).usage?.completion_tokens, 4)
  const { nodes, facts } = await ready('tiny', 1)
  assert.equal(nodes.length, 1)
  assert.ok((facts?.sizeBytes ?? 0) > 100_000, 'the node told what the file takes')
  assert.match(await shoal('models'), /^tiny +1 ready +1 of 1 to 2/m)
})

test('demand makes a second replica, on the other node', async () => {
  let isEnough = false
  const callers = Array.from({ length: 4 }, async () => {
    while (!isEnough) {
      const stream = { model: 'tiny', prompt: 'A long story', maxTokens: 1_900 }
      const { error } = await streamChat(network.openai, stream)
      assert.equal(error, null)
    }
  })
  const { nodes } = await ready('tiny', 2).finally(() => {
    isEnough = true
  })
  assert.equal(new Set(nodes.map(({ nodeId }) => nodeId)).size, 2)
  await Promise.all(callers)
})

test('a model that is removed is unloaded once what runs has ended', async () => {
  let removed: Promise<unknown> | null = null
  const stream = await streamChat(network.openai, {
    model: 'tiny',
    prompt: 'A long story',
    maxTokens: 1_900,
    onChunk(chunks) {
      if (chunks === 1) removed = network.operator.removeModel({ params: { model: 'tiny' } })
    },
  })
  assert.deepEqual([stream.error, stream.usage?.completion_tokens], [null, 1_900])
  await removed
  await until('both engines to be gone', () => engines() === 0)
  await until('the model to be unknown', async () =>
    ask('tiny').then(
      () => false,
      (error: { status?: number }) => error.status === 404,
    ),
  )
})

test('a model of the hub is found there, and its only file is taken', async () => {
  await shoal('models', 'add', 'hub', '--hf', 'owner/repo', '--replicas', '1-1')
  await ready('hub', 1)
  const paths = server.requests.map(({ path }) => path)
  assert.ok(paths.includes('/api/models/owner/repo/revision/main'), paths.join(' '))
  assert.ok(paths.includes('/owner/repo/resolve/main/tiny.Q4_K_M.gguf'), paths.join(' '))
  assert.equal((await ask('hub')).usage?.completion_tokens, 4)
})

test('a model of another server is passed on at its price, by the node whose owner named that server', async () => {
  await shoal(
    ...['models', 'add', 'resold', '--upstream', network.ready.openaiBaseUrl, '--upstream-model', 'hub'],
    ...['--price-in', '100', '--price-out', '1000', '--replicas', '1-1'],
  )
  const { nodes } = await ready('resold', 1)
  assert.deepEqual(
    nodes.map(({ name }) => name),
    ['second'],
  )
  const answer = await ask('resold')
  const { prompt_tokens = 0, completion_tokens = 0 } = answer.usage ?? {}
  assert.equal(completion_tokens, 4)
  // Dollars a million tokens are a thousand nano-dollars a token.
  const owed = BigInt(prompt_tokens) * 100_000n + BigInt(completion_tokens) * 1_000_000n
  assert.equal(extensionOf(answer)?.cost_nano_usd, owed.toString())
  for (const name of ['resold', 'hub']) await shoal('models', 'remove', name)
  await until('all engines to be gone', () => engines() === 0)
})

test('no node goes to a private address that its owner did not name, nor where a named one sends it on to', async () => {
  let visits = 0
  const canary = createServer((_request, response) => {
    visits++
    response.end()
  })
  await new Promise<void>((listening) => canary.listen(0, '127.0.0.1', listening))
  const { port } = canary.address() as AddressInfo
  server.sendsOnTo = `http://127.0.0.1:${port}/tiny.gguf`
  const places = [
    `http://127.0.0.1:${port}/tiny.gguf`,
    `http://localhost:${port}/tiny.gguf`,
    `http://[::1]:${port}/tiny.gguf`,
    `http://${server.host}/elsewhere/tiny.gguf`,
  ]
  for (const [index, place] of places.entries()) {
    const name = `canary-${index}`
    await shoal('models', 'add', name, '--gguf', place, '--replicas', '1-1')
    const { shortage } = await until(`${place} to be refused`, async () => {
      const found = await model(name)
      return found.shortage?.includes('--model-hosts') && found
    })
    assert.match(shortage ?? '', /address of this machine or of a local network/)
    await shoal('models', 'remove', name)
  }
  canary.close()
  assert.equal(visits, 0)
})

test('a file on the machine is loaded from where it is, if it is the one that was meant', async () => {
  await shoal('models', 'add', 'file', '--gguf', rig.tinyPath(), '--replicas', '1-1')
  await ready('file', 1)
  assert.equal((await ask('file')).usage?.completion_tokens, 4)
  await shoal('models', 'remove', 'file')
  const source = { kind: 'file', path: rig.tinyPath(), sha256: '0'.repeat(64) } as const
  await network.operator.addModel({ body: { name: 'other', source } })
  await until('the other file to be refused', async () =>
    (await model('other')).shortage?.includes('its sha256 is another one'),
  )
  await shoal('models', 'remove', 'other')
})

test('an agent that is killed while it fetches goes on from where it was', async () => {
  second.signal('SIGINT')
  assert.equal((await second.end).code, 0)
  server.holdAt = 200_000
  await shoal(
    'models',
    'add',
    'again',
    '--gguf',
    `http://${server.host}/tiny-again.gguf`,
    '--replicas',
    '1-1',
  )
  const part = await until('the part to be on disk', () => partOf(rig.path('data/agent/hosted-models')))
  const agent = groupMembers(network.program.pid).find(({ title }) => title.startsWith('shoal agent'))
  assert(agent)
  process.kill(agent.pid, 'SIGKILL')
  server.holdAt = null
  await ready('again', 1)
  const asked = server.requests.filter(({ path }) => path === '/tiny-again.gguf').map(({ from }) => from)
  assert.deepEqual(asked, [0, part])
  assert.equal((await ask('again')).usage?.completion_tokens, 4)
})

async function shoal(...args: readonly string[]): Promise<string> {
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
const listed = async (): Promise<string[]> => (await network.openai.models.list()).data.map(({ id }) => id)
const ask = (name: string) =>
  network.openai.chat.completions.create({
    model: name,
    messages: [{ role: 'user', content: 'hi' }],
    max_tokens: 4,
  })

/** Of both nodes. */
const engines = (): number =>
  rig.processes().filter(({ title }) => title.includes('llama-cpp/child-main')).length

/** The size of a part that has come as far as the server lets it. */
function partOf(folder: string): number | null {
  const name = readdirSync(folder).find((file) => file.endsWith('.part'))
  const size = name === undefined ? 0 : statSync(join(folder, name)).size
  return size >= 200_000 ? size : null
}
