/** A second machine joins a network, serves it, leaves and comes back; and all that can be wrong with that. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { streamChat } from './chats.ts'
import { groupMembers, until } from './process-group.ts'
import { type Network, openRig, startNetwork } from './rig.ts'

const rig = openRig()
after(() => rig.dispose())
let network: Network
let token = ''
before(async () => {
  network = await startNetwork(rig, rig.path('data'), ['--no-agent'])
  const made = await rig.run(['nodes', 'token', '--json', ...network.options])
  token = (JSON.parse(made.stdout) as { token: string }).token
})

/** `shoal provide` on the tiny model, with a folder of its own. */
const provide = (name: string, args: readonly string[], env: readonly string[] = []) =>
  rig.startCommand([
    ...['env', ...env, process.execPath, 'bin/shoal.ts'],
    ...['provide', '--render', 'off', '--data', rig.path(name), '--name', name],
    ...['--model', rig.tinyPath(), '--model-id', 'tiny', ...args],
  ])
const joined = () => ['--join', network.ready.apiUrl]

/** Its node's id, once it says that it serves. */
const serving = (provider: ReturnType<typeof provide>): Promise<string> =>
  until('the provider to serve', () => {
    assert(!provider.isOver(), provider.output())
    return /^(node_\w+) serves tiny at \d+ tokens\/s, asking \$0\.02/m.exec(provider.output())?.[1]
  })

test('a node joins with a token, serves, and at Ctrl-C ends what runs before it leaves', async () => {
  const provider = provide('first', [...joined(), '--token', token])
  const nodeId = await serving(provider)
  assert.match(provider.output(), /proving hardware \.\.\.[\s\S]* serves tiny at/, 'in this order')
  const node = await until('the network to know what it serves', async () => {
    const found = await network.operator.getNode({ params: { nodeId } })
    return found.models.length > 0 && found
  })
  assert.deepEqual([node.name, node.presence], ['first', 'online'])

  const stream = await streamChat(network.openai, {
    prompt: 'A long story',
    maxTokens: 1_500,
    onChunk: (chunks) => chunks === 1 && provider.signalGroup('SIGINT'),
  })
  assert.deepEqual([stream.error, stream.usage?.completion_tokens], [null, 1_500])
  const { code, stderr } = await provider.end
  assert.deepEqual([code, groupMembers(provider.pid)], [0, []])
  assert.match(stderr, /draining: no new work/)
  await until('the network to know that it left', async () => {
    const { presence, lossReason } = await network.operator.getNode({ params: { nodeId } })
    return presence === 'absent' && lossReason === 'left'
  })

  const again = provide('first', joined())
  assert.equal(await serving(again), nodeId, 'it is the same node, and needs no token')
  const second = await provide('first', joined()).end
  assert.equal(second.code, 8)
  assert.match(
    second.stderr,
    /^shoal: .*first\/provider is in use by a shoal agent \(process \d+, since .*\)\. Stop it/m,
  )
  again.signal('SIGTERM')
  assert.equal((await again.end).code, 0)
})

test('a node whose engine is not there ends when it is told to, and leaves its folder to the next', async () => {
  const made = await rig.run(['nodes', 'token', '--json', ...network.options])
  const { token: own } = JSON.parse(made.stdout) as { token: string }
  const nobody = ['--upstream', 'http://127.0.0.1:2/v1']
  for (const more of [['--token', own], []]) {
    const provider = rig.start([
      ...['provide', '--render', 'off', '--data', rig.path('engineless'), ...joined(), ...nobody, ...more],
    ])
    await until('it to wait for its engine', () => provider.output().includes('loading the model'))
    provider.signal('SIGTERM')
    const { code, stderr } = await provider.end
    assert.match(stderr, /^shoal: stopping [\s\S]*^Stopped before it served/m)
    assert.equal(code, 130, stderr)
    assert.deepEqual(groupMembers(provider.pid), [])
  }
})

test('a node that is refused while its owner’s machine is first looked at is told why', async () => {
  const made = await rig.run(['nodes', 'token', '--json', ...network.options])
  const { token: own } = JSON.parse(made.stdout) as { token: string }
  const first = provide('refused', [...joined(), '--token', own])
  const nodeId = await serving(first)
  first.signal('SIGTERM')
  await first.end
  await network.operator.banNode({ params: { nodeId }, body: { reason: 'it lied' } })
  // As on a machine with a card: to ask who uses it takes a second.
  const folder = rig.path('slow-driver')
  mkdirSync(folder)
  writeFileSync(join(folder, 'nvidia-smi'), '#!/bin/sh\n[ "$1" = pmon ] && sleep 2\nexit 1\n', {
    mode: 0o755,
  })
  const args = ['--pause-when-busy', ...joined()]
  const { code, stderr } = await provide('refused', args, [`PATH=${folder}:${process.env['PATH']}`]).end
  assert.match(stderr, /^shoal: .*banned.*$/m)
  assert.equal(code, 4, stderr)
  assert.doesNotMatch(stderr, /^ +at /m)
})

const refusals: readonly {
  readonly name: string
  readonly args: () => readonly string[]
  readonly code: number
  readonly says: RegExp
}[] = [
  {
    name: 'a token that was used',
    args: () => [...joined(), '--token', token],
    code: 4,
    says: /^shoal: The enrolment token is unknown or was used before.* "shoal nodes token"\.$/m,
  },
  {
    name: 'a token that never was',
    args: () => [...joined(), '--token', 'join-nonsense'],
    code: 4,
    says: /^shoal: The enrolment token is unknown or was used before.* "shoal nodes token"\.$/m,
  },
  {
    name: 'no token',
    args: joined,
    code: 4,
    says: /^shoal: This machine is not enrolled at http.*"shoal nodes token" and give it as --token\.$/m,
  },
  {
    name: 'an address where nothing listens',
    args: () => ['--join', 'http://127.0.0.1:2', '--token', token],
    code: 3,
    says: /^shoal: Nothing listens at 127\.0\.0\.1:2\. Check that it is running, and that the port is right\.$/m,
  },
  {
    name: 'what is no address',
    args: () => ['--join', 'localhost', '--token', token],
    code: 2,
    says: /^shoal: --join "localhost" is not an address such as http/m,
  },
]

test('who may not join is told why and what to do, at once and before a model is loaded', async (t) => {
  await Promise.all(
    refusals.map(({ name, args, code, says }, index) =>
      t.test(name, async () => {
        const end = await provide(`refused-${index}`, args()).end
        assert.equal(end.code, code, end.stderr)
        assert.match(end.stderr, says)
        assert.doesNotMatch(end.stderr, /loading|^\s+at /m)
        assert.equal(end.stdout, '')
      }),
    ),
  )
})

test('a second network on the folder of one that runs is refused with the name of who holds it', async () => {
  const end = await rig.run(['up', '--data', network.folder, '--port', '0', '--no-agent'])
  assert.equal(end.code, 8)
  assert.match(
    end.stderr,
    new RegExp(
      `^shoal: .*data is in use by shoal up \\(process ${network.program.pid}, since .*\\)\\. Stop it, or`,
      'm',
    ),
  )
  assert.equal((await network.status()).networkName, 'local')
})

test('a polite request to end is obeyed: the network exits with 0 and leaves no process behind', async () => {
  network.program.signal('SIGTERM')
  const { code, stderr } = await network.program.end
  assert.deepEqual([code, groupMembers(network.program.pid)], [0, []])
  assert.match(stderr, /stopping; what runs may end first/)
})
