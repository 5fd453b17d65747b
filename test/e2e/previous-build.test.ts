/** This build and the one before it: agents of either at networks of either, and a data folder that is handed on. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type PreviousBuild, unpackPreviousBuild } from './previous-build.ts'
import { type Program, until } from './process-group.ts'
import { awaitNetwork, type Network, openRig } from './rig.ts'

const rig = openRig()
after(() => rig.dispose())
const unpacked = unpackPreviousBuild(rig)
const skip = typeof unpacked === 'string' ? unpacked : false
if (skip) console.log(`skipped: ${skip}`)
const present: PreviousBuild = {
  release: 'this',
  command: [process.execPath, join(import.meta.dirname, '../../bin/shoal.ts')],
}
const previous = typeof unpacked === 'string' ? present : unpacked

test('an agent of the build before serves a network of this one, by a token with a fingerprint', {
  skip,
}, async () => {
  // A node that joins anew proves its hardware, and an agent of the build before cannot.
  const network = await up(present, 'data-new', ['--port', '0', '--node-proofs', 'off'])
  const { token } = await newToken(present, network)
  assert.match(token, /^join-[0-9a-z]{40}\.[0-9a-z]{52}$/)
  const agent = provide(previous, network, ['--data', rig.path('old-agent'), '--token', token])
  await serves(agent, network)
  await answer(network)
  await end(agent)
  await end(network.program)
})

test('an agent of this build serves a network of the one before, by a token without', { skip }, async () => {
  const network = await up(previous, 'data-old')
  const { token } = await newToken(previous, network)
  assert.match(token, /^join-[0-9a-z]{32}$/)
  const agent = provide(present, network, ['--data', rig.path('new-agent'), '--token', token])
  await serves(agent, network)
  await answer(network)
  await end(agent)
  await end(network.program)
})

test('an upgrade: network and agent of the build before become this one, and go back one by one', {
  skip,
}, async () => {
  const port = await up(previous, 'handed-on').then(async (network) => {
    const { token } = await newToken(previous, network)
    const agent = provide(previous, network, ['--data', rig.path('agent'), '--token', token])
    await serves(agent, network)
    await answer(network)
    await end(agent)
    await end(network.program)
    return new URL(network.ready.apiUrl).port
  })
  const before = nodeIdOf('agent')

  const network = await up(present, 'handed-on', ['--port', port])
  assert.equal((await network.operator.checkLedger({})).sum, 0n)
  for (const build of [previous, present, previous]) {
    const agent = provide(build, network, ['--data', rig.path('agent')])
    await serves(agent, network)
    await answer(network)
    await end(agent)
    assert.equal(nodeIdOf('agent'), before, 'it stays the same node')
  }

  // A new token gives it the fingerprint, and the node stays the same.
  const { token } = await newToken(present, network)
  const pinned = provide(present, network, ['--data', rig.path('agent'), '--token', token])
  await serves(pinned, network)
  await end(pinned)
  assert.equal(nodeIdOf('agent'), before)
  await end(network.program)

  // Rolled back, the network cannot prove its key any more.
  const old = await up(previous, 'rolled-back', ['--port', port])
  const refused = await provide(present, old, ['--data', rig.path('agent')]).end
  assert.equal(refused.code, 4, refused.stderr)
  assert.match(
    refused.stderr,
    /is of a release that cannot prove its key.* start the node with --allow-unproven/,
  )
  await end(old.program)
})

async function up(
  build: PreviousBuild,
  folder: string,
  args: readonly string[] = ['--port', '0'],
): Promise<Network> {
  const readyFile = join(mkdtempSync(rig.path('ready-')), 'ready.json')
  const data = rig.path(folder)
  const program = rig.startCommand([
    ...[...build.command, 'up', '--data', data, '--ready-file', readyFile, '--no-agent', ...args],
  ])
  return awaitNetwork({ program, folder: data, readyFile })
}

async function newToken(build: PreviousBuild, network: Network): Promise<{ token: string }> {
  const made = await rig.startCommand([...build.command, 'nodes', 'token', '--json', ...network.options]).end
  assert.equal(made.code, 0, made.stderr)
  return JSON.parse(made.stdout) as { token: string }
}

const provide = (build: PreviousBuild, network: Network, args: readonly string[]): Program =>
  rig.startCommand([
    ...[...build.command, 'provide', '--join', network.ready.apiUrl, '--name', 'neighbour', '--threads', '1'],
    ...['--model', rig.tinyPath(), '--model-id', 'tiny', ...args],
  ])

/** Once the network offers what the agent says that it serves. */
async function serves(agent: Program, network: Network): Promise<void> {
  await until('the agent to serve', () => {
    assert.ok(!agent.isOver(), agent.output())
    return /serves tiny at/.test(agent.output())
  })
  await until('the network to offer it', async () => (await network.status()).models.length > 0)
}

async function answer(network: Network): Promise<void> {
  const messages = [{ role: 'user' as const, content: 'Hello' }]
  const call = { model: 'tiny', max_tokens: 12, temperature: 0, messages }
  const reply = await network.openai.chat.completions.create(call)
  assert.equal(reply.usage?.completion_tokens, 12)
}

async function end(program: Program): Promise<void> {
  program.signal('SIGTERM')
  assert.equal((await program.end).code, 0, program.output())
}

const nodeIdOf = (folder: string): string =>
  (JSON.parse(readFileSync(join(rig.path(folder), 'provider/secrets/node'), 'utf8')) as { nodeId: string })
    .nodeId
