/** The real agent at the real links of a gateway: who proves what to whom, and who is refused why. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDirectory } from '#gateway/directory.ts'
import type { NetworkIdentity } from '#gateway/network-prover.ts'
import { createNodeLinks } from '#gateway/node-links.ts'
import type { Link, LinkHandlers } from '#host/host.ts'
import { Admit, Challenge, Deny, Hello } from '#protocol/agent-link.ts'
import type { VersionRange } from '#protocol/agent-version.ts'
import type { Bar } from '#protocol/cell.ts'
import { decodeFrames, decodeJson, encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import { fingerprintOf } from '#protocol/network-key.ts'
import type { Problem } from '#protocol/problem.ts'
import { testCapability } from '#sim/scripted-agent.ts'
import { createSimEngine } from '#sim/sim-engine.ts'
import { simCrypto } from '#sim/sim-host.ts'
import { createTestWorld } from '#sim/test-world.ts'
import { startAgent } from './agent.ts'

const nodeKeys = simCrypto.keyPair(new Uint8Array(32).fill(1))
const networkKeys = simCrypto.keyPair(new Uint8Array(32).fill(2))
const strangerKeys = simCrypto.keyPair(new Uint8Array(32).fill(3))
const fingerprint = fingerprintOf(simCrypto, networkKeys.publicKeyHex)
const range = (min: number, max: number): VersionRange => ({ min, max })
/** The network as it was before it had a key. */
const OLD = { network: null, gatewayVersions: range(1, 1) }

test('an agent that knows the network by its key serves it', async () => {
  const { agent, run, refused } = setup({})
  await run(500)
  assert.deepEqual([agent.state(), refused()], ['serving', []])
})

test('an agent that asks hears with its admission whether it gets work', async () => {
  for (const barred of [undefined, { code: 'sick', message: 'Xid 79.' }] as const) {
    const heard: (string | null)[] = []
    const { run } = setup({
      ...(barred && { directory: { barred } }),
      onStanding: (bar) => void heard.push(bar?.code ?? null),
    })
    await run(500)
    assert.deepEqual(heard, [barred?.code ?? null])
  }
})

const notTheNetwork: readonly [string, SetupOptions, RegExp][] = [
  [
    'has another key',
    { network: { keys: strangerKeys } },
    /^What answers at g is not the network that this node joined: its key has the fingerprint \w{52}\. .*new token/,
  ],
  [
    'shows the right key and signs with another',
    { network: { keys: { ...networkKeys, privateKeyHex: strangerKeys.privateKeyHex } } },
    /its proof is not for this connection/,
  ],
  ['proves nothing', { change: { admit: ({ gatewayId }) => ({ gatewayId }) } }, /it did not prove its key/],
  [
    'is of a release before network keys',
    OLD,
    /^The network at g is of a release that cannot prove its key, and this node joined one that can\. .*--allow-unproven/,
  ],
  [
    'claims to speak only the version without proofs',
    { change: { challenge: ({ nonce, gatewayId }) => ({ nonce, gatewayId }) } },
    /cannot prove its key/,
  ],
  [
    'was told another range of versions than the agent said',
    { change: { hello: (hello) => ({ ...hello, versions: range(1, 9) }) } },
    /its proof is not for this connection/,
  ],
  [
    'was told another host than the agent came by',
    {
      change: {
        hello: (hello) => ({ ...hello, network: { nonce: hello.network?.nonce ?? '', host: 'net' } }),
      },
    },
    /its proof is not for this connection/,
  ],
  [
    'denies the node without a proof',
    { directory: { isBanned: true }, change: { deny: ({ code, message }) => ({ code, message }) } },
    /it did not prove its key/,
  ],
  [
    'denies the node for another reason than it signed',
    { directory: { isBanned: true }, change: { deny: (deny) => ({ ...deny, code: 'signature_wrong' }) } },
    /its proof is not for this connection/,
  ],
]
for (const [name, options, says] of notTheNetwork) {
  test(`what ${name} is refused with the reason, before the agent says what it can do`, async () => {
    const { agent, run, refused, heard } = setup(options)
    await run(60_000)
    assert.deepEqual([agent.state(), refused().length], ['stopped', 1])
    assert.equal(refused()[0]?.code, 'join_refused')
    assert.match(refused()[0]?.message ?? '', says)
    assert.equal(heard().includes(FrameType.capability), false)
  })
}

test('a proof of one connection is good for no other', async () => {
  const proofs: Admit[] = []
  const replay = (admit: Admit): Admit => {
    proofs.push(admit)
    return proofs[0] ?? admit
  }
  const { agent, run, away, breakLink } = setup({ change: { admit: replay } })
  await run(500)
  assert.equal(agent.state(), 'serving')
  breakLink()
  await run(500)
  assert.notEqual(agent.state(), 'serving')
  assert.match(away().at(-1) ?? '', /its proof is not for this connection/)
})

test('an agent that has served comes back when the network is itself again', async () => {
  let isAway = false
  const lie = (admit: Admit): Admit => (isAway ? { gatewayId: admit.gatewayId } : admit)
  const { agent, run, away, refused, breakLink } = setup({ change: { admit: lie } })
  await run(500)
  isAway = true
  breakLink()
  await run(60_000)
  assert.deepEqual([agent.state() === 'serving', refused()], [false, []])
  assert.ok(away().some((reason) => /it did not prove its key/.test(reason)))
  isAway = false
  await run(6_000)
  assert.equal(agent.state(), 'serving')
})

test('a network that does not go by the name says so, and signs nothing for it', async () => {
  const denies: Deny[] = []
  const note = (deny: Deny): Deny => {
    denies.push(deny)
    return deny
  }
  const { agent, run, refused } = setup({ network: { goesBy: () => false }, change: { deny: note } })
  await run(60_000)
  assert.equal(agent.state(), 'stopped')
  assert.match(refused()[0]?.message ?? '', /This network does not go by the name g\. Join it by the address/)
  assert.deepEqual(
    denies.map(({ code, proof }) => [code, proof]),
    [['name_unknown', undefined]],
  )
})

test('with TLS of its own the network says which keys it shows, and another one is somebody between', async () => {
  const shown = 'aa'.repeat(32)
  const rows: readonly [seen: string | null, says: readonly string[], isServed: boolean][] = [
    [shown, [shown], true],
    [shown, ['bb'.repeat(32), shown], true],
    ['cc'.repeat(32), [shown], false],
    [null, [shown], false],
    // Behind a proxy there is nothing to compare.
    ['cc'.repeat(32), [], true],
  ]
  for (const [tlsKey, tlsKeys, isServed] of rows) {
    const { agent, run, refused } = setup({ network: { tlsKeys: () => tlsKeys }, tlsKey, scheme: 'wss' })
    await run(500)
    assert.equal(agent.state(), isServed ? 'serving' : 'stopped', `${tlsKey} of ${tlsKeys}`)
    if (!isServed) assert.match(refused()[0]?.message ?? '', /Somebody between this node and g ends its TLS/)
  }
})

const unpinned = { pin: null }
const versions: readonly [agent: VersionRange, gateway: VersionRange, protocol: number | RegExp][] = [
  [range(1, 2), range(1, 2), 2],
  [range(1, 2), range(1, 1), 1],
  [range(1, 1), range(1, 2), 1],
  [range(2, 3), range(1, 2), 2],
  [range(1, 2), range(2, 5), 2],
  [range(1, 2), range(3, 4), /network speaks agent protocol 3 to 4, the agent 1 to 2\. Upgrade the agent/],
  [range(3, 4), range(1, 2), /network speaks agent protocol 1 to 2, the agent 3 to 4\. Upgrade the network/],
]
for (const [agentVersions, gatewayVersions, protocol] of versions) {
  const name = `${agentVersions.min}-${agentVersions.max} at ${gatewayVersions.min}-${gatewayVersions.max}`
  test(`versions ${name}: ${typeof protocol === 'number' ? `both take ${protocol}` : 'told apart'}`, async () => {
    const { agent, run, refused, hellos } = setup({ ...unpinned, agentVersions, gatewayVersions })
    await run(60_000)
    if (typeof protocol === 'number') {
      assert.deepEqual([agent.state(), hellos().at(-1)?.protocol], ['serving', protocol])
    } else {
      assert.equal(agent.state(), 'stopped')
      assert.match(refused()[0]?.message ?? '', protocol)
    }
  })
}

test('an agent too old to say its versions is told by the gateway which of the two to upgrade', async () => {
  const before = (hello: Hello): Hello => {
    const { versions: _versions, network: _network, ...old } = hello
    return { ...old, protocol: 1 }
  }
  const change = { challenge: ({ nonce, gatewayId }: Challenge) => ({ nonce, gatewayId }), hello: before }
  const { run, refused } = setup({ ...unpinned, gatewayVersions: range(2, 3), change })
  await run(60_000)
  assert.match(refused()[0]?.message ?? '', /speaks agent protocol 2 to 3, the agent 1\. Upgrade the agent/)
})

test('a node that joined without a fingerprint serves any release, and one told to serves also what was rolled back', async () => {
  for (const options of [unpinned, { ...unpinned, ...OLD }, { ...OLD, allowsUnproven: true }]) {
    const { agent, run } = setup(options)
    await run(500)
    assert.equal(agent.state(), 'serving')
  }
  // But not another network that can prove what it is.
  const { agent, run } = setup({ allowsUnproven: true, network: { keys: strangerKeys } })
  await run(500)
  assert.equal(agent.state(), 'stopped')
})

test('fields that a later release adds are ignored by either side', async () => {
  const more = <T extends object>(value: T): T => ({ ...value, later: { than: 'this release' } })
  const { agent, run } = setup({ change: { challenge: more, hello: more, admit: more } })
  await run(500)
  assert.equal(agent.state(), 'serving')
})

interface SetupOptions {
  /** Null: the network has no key. */
  readonly network?: Partial<NetworkIdentity> | null
  /** Null: the node joined without a fingerprint. */
  readonly pin?: null
  readonly allowsUnproven?: boolean
  readonly agentVersions?: VersionRange
  readonly gatewayVersions?: VersionRange
  readonly directory?: { readonly isBanned?: boolean; readonly barred?: Bar }
  readonly onStanding?: (barred: Bar | null) => void
  /** `wss`: the agent's link has TLS. */
  readonly scheme?: 'ws' | 'wss'
  /** What the agent's TLS sees. */
  readonly tlsKey?: string | null
  /** Somebody between the two, who writes their messages anew. */
  readonly change?: {
    readonly challenge?: (challenge: Challenge) => Challenge
    readonly hello?: (hello: Hello) => Hello
    readonly admit?: (admit: Admit) => Admit
    readonly deny?: (deny: Deny) => Deny
  }
}

function setup(options: SetupOptions) {
  const world = createTestWorld()
  const gateway = world.machine('g')
  const directory = createDirectory()
  const node = { id: 'node', organisationId: 'org', publicKey: nodeKeys.publicKeyHex, session: 1 }
  const state = { isDrained: false, isBanned: false, models: [], ...options.directory }
  const known = { isComplete: true, wantsPresence: false, nodes: [{ ...node, ...state }], keys: [] }
  directory.apply({ epoch: 1, version: 1, ...known })
  const { network = {}, change = {} } = options
  const identity = { keys: networkKeys, goesBy: () => true, tlsKeys: () => [], ...network }
  const links = createNodeLinks(
    { ...gateway.host, directory },
    {
      gatewayId: 'gateway',
      incarnation: 1,
      onAvailable: () => undefined,
      onUnknownNode: () => undefined,
      ...(network === null ? {} : { network: identity }),
      ...(options.gatewayVersions ? { versions: options.gatewayVersions } : {}),
    },
  )
  const heard: number[] = []
  const hellos: Hello[] = []
  const open: Link[] = []
  void gateway.host.network.listen(
    { hostname: 'g', port: 80 },
    {
      onExchange: () => undefined,
      onLink(_path, link): LinkHandlers {
        open.push(link)
        const handlers = links.accept({
          send: (message) => link.send(rewritten(message, change)),
          bufferedBytes: () => link.bufferedBytes(),
          close: (code, reason) => link.close(code, reason),
        })
        return {
          ...handlers,
          onMessage(message) {
            for (const { type, payload } of decodeFrames(message)) {
              heard.push(type)
              if (type === FrameType.hello) hellos.push(Hello.parse(decodeJson(payload)))
            }
            handlers.onMessage(rewritten(message, change))
          },
        }
      },
    },
  )

  const machine = world.machine('agent')
  const { host } = machine
  const refused: Problem[] = []
  const away: string[] = []
  const { tlsKey = null } = options
  const agent = startAgent(
    {
      ...host,
      network: {
        connect: (url, handlers) =>
          Object.assign(host.network.connect(url, handlers), { tlsKey: () => tlsKey }),
      },
    },
    createSimEngine(host.clock, { models: [], msPerToken: 1, prefillMs: 1 }),
    {
      nodeId: 'node',
      keys: nodeKeys,
      gatewayUrl: `${options.scheme ?? 'ws'}://g:80/agent`,
      agentVersion: 'test',
      askPerGpuHour: 1n,
      capability: testCapability,
      speedOf: () => ({
        prefillTokensPerSecond: 1,
        decodeTokensPerSecond: 1,
        decodeTokensPerSecondSingle: 1,
      }),
      pin: {
        fingerprint: options.pin === null ? null : fingerprint,
        allowsUnproven: options.allowsUnproven ?? false,
      },
      ...(options.agentVersions ? { versions: options.agentVersions } : {}),
      ...(options.onStanding && { onStanding: options.onStanding }),
      onRefused: (problem) => void refused.push(problem),
      onAway: (reason) => void away.push(reason),
    },
  )
  return {
    agent,
    run: world.run,
    refused: () => refused,
    away: () => away,
    heard: () => heard,
    hellos: () => hellos,
    breakLink: () => open.at(-1)?.close(1001, 'the wire broke'),
  }
}

function rewritten(message: Uint8Array, change: NonNullable<SetupOptions['change']>): Uint8Array {
  const [frame] = decodeFrames(message)
  if (!frame) return message
  const { type, payload } = frame
  const anew = (value: unknown): Uint8Array => encodeJsonFrame(type as FrameType, 0, value)
  const json = (): unknown => decodeJson(payload)
  if (type === FrameType.challenge && change.challenge) return anew(change.challenge(Challenge.parse(json())))
  if (type === FrameType.hello && change.hello) return anew(change.hello(Hello.parse(json())))
  if (type === FrameType.admit && change.admit) return anew(change.admit(Admit.parse(json())))
  if (type === FrameType.deny && change.deny) return anew(change.deny(Deny.parse(json())))
  return message
}
