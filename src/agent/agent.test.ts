/** The real agent loop, with an engine whose tokens are known, at a gateway that follows a script. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Link } from '#host/host.ts'
import { type Deny, HEARTBEAT_MS, Hello, helloText, NodeReport } from '#protocol/agent-link.ts'
import {
  decodeData,
  decodeFrames,
  decodeJson,
  encodeEmptyFrame,
  encodeJsonFrame,
  type Frame,
  FrameType,
} from '#protocol/frame.ts'
import type { Problem } from '#protocol/problem.ts'
import { testCapability } from '#sim/scripted-agent.ts'
import { createSimEngine, expectedAnswer } from '#sim/sim-engine.ts'
import { simCrypto } from '#sim/sim-host.ts'
import { createTestWorld } from '#sim/test-world.ts'
import { type AgentState, startAgent } from './agent.ts'

const BACKOFF_MS_MAX = 5_000

test('an agent proves its key, is admitted, reports what it can do and beats', async () => {
  const { gateway, agent, run, states } = setup()
  await run(100)
  const { hello, frames } = gateway.newest()
  assert.equal(hello?.nodeId, 'node')
  assert.deepEqual([agent.state(), states], ['serving', ['connecting', 'proving', 'serving']])
  const [report] = frames.filter(({ type }) => type === FrameType.capability)
  const { capability, askPerGpuHour } = NodeReport.parse(decodeJson(report?.payload ?? new Uint8Array()))
  assert.deepEqual([capability.models.map(({ id, slots }) => [id, slots]), askPerGpuHour], [[['m', 2]], 7n])
  await run(10 * HEARTBEAT_MS)
  assert.equal(gateway.newest().frames.filter(({ type }) => type === FrameType.heartbeat).length, 11)
})

test('a gateway that is away is tried again and again, with growing pauses up to the longest', async () => {
  const { gateway, agent, attempts, run } = setup({ isListening: false })
  await run(120_000)
  const pauses = attempts()
    .slice(1)
    .map((atMs, index) => atMs - (attempts()[index] ?? 0))
  assert.ok(pauses.length > 20, `${pauses.length} tries in two minutes`)
  // Half of each pause is certain, the other half is left to chance; a refused connection takes some milliseconds.
  for (const [index, pause] of pauses.entries()) {
    const ceiling = Math.min(100 * 2 ** index, BACKOFF_MS_MAX)
    assert.ok(pause >= ceiling / 2 && pause <= ceiling + 100, `pause ${index} is ${pause}`)
  }
  gateway.listen()
  await run(BACKOFF_MS_MAX + 200)
  assert.equal(agent.state(), 'serving')
})

test('a lost connection is tried again at once, for the pauses start anew once it served', async () => {
  const { gateway, agent, run } = setup({ isListening: false })
  await run(60_000)
  gateway.listen()
  await run(BACKOFF_MS_MAX + 200)
  gateway.newest().link.close(1001, 'the gateway stops')
  await run(300)
  assert.deepEqual([agent.state(), gateway.connections.length], ['serving', 2])
})

test('each connection is a newer session than the one before, and than the clock says', async () => {
  const { gateway, run, machine } = setup()
  await run(100)
  for (let connection = 0; connection < 3; connection++) {
    gateway.newest().link.close(1001, 'again')
    await run(1_000)
  }
  const sessions = gateway.connections.map(({ hello }) => hello?.session ?? 0)
  assert.deepEqual(
    sessions,
    sessions.toSorted((a, b) => a - b),
  )
  assert.equal(new Set(sessions).size, 4)
  assert.ok((sessions[0] ?? 0) >= machine.host.clock.nowMs() - 10_000)
})

test('an agent whose session is stale comes back with the one it must exceed', async () => {
  const { gateway, agent, run } = setup()
  const sessionMin = 2_000_000_000_000
  gateway.denyNext({ code: 'session_stale', message: 'm', sessionMin })
  await run(1_000)
  assert.equal(agent.state(), 'serving')
  assert.equal(gateway.newest().hello?.session, sessionMin)
  gateway.denyNext({ code: 'session_stale', message: 'm' })
  gateway.newest().link.close(1001, 'again')
  await run(2_000)
  assert.deepEqual([agent.state(), gateway.connections.length], ['serving', 4])
})

test('a gateway that does not know the node yet is asked again', async () => {
  const { gateway, agent, refused, run } = setup()
  gateway.denyNext({ code: 'node_unknown', message: 'm' })
  await run(1_000)
  assert.deepEqual([agent.state(), refused()], ['serving', []])
})

for (const code of ['node_banned', 'signature_wrong', 'protocol_unknown'] as const) {
  test(`a node that is refused as ${code} stops, for trying again cannot help`, async () => {
    const { gateway, agent, refused, run } = setup()
    gateway.denyNext({ code, message: 'Ask the operator.' })
    await run(60_000)
    assert.deepEqual([agent.state(), gateway.connections.length], ['stopped', 1])
    assert.deepEqual(refused(), ['join_refused The network refused this node: Ask the operator.'])
  })
}

test('a gateway that neither admits nor denies is left after ten seconds', async () => {
  const { gateway, agent, run } = setup({ isMute: true })
  await run(9_900)
  assert.equal(gateway.connections.length, 1)
  gateway.isMute = false
  await run(500)
  assert.deepEqual([agent.state(), gateway.connections.length], ['serving', 2])
})

test('garbage from a gateway costs the connection, and the agent comes back', async () => {
  const garbage = [
    new Uint8Array(5),
    encodeEmptyFrame(99 as FrameType, 1),
    encodeJsonFrame(FrameType.challenge, 0, {}),
  ]
  const { gateway, agent, run } = setup()
  for (const [index, message] of garbage.entries()) {
    await run(1_000)
    gateway.newest().link.send(message)
    await run(1_000)
    assert.deepEqual([agent.state(), gateway.connections.length], ['serving', index + 2])
  }
})

test('a request is answered token by token', async () => {
  const { gateway, request, run } = setup()
  await run(100)
  request(1, 'What is it?')
  await run(10_000)
  const expected = expectedAnswer('What is it?', 50)
  const data = gateway
    .newest()
    .frames.filter(({ type }) => type === FrameType.data)
    .map(decodeData)
  assert.equal(data.map(({ text }) => text).join(''), expected.texts.join(''))
  assert.deepEqual(
    data.flatMap(({ tokenIds }) => tokenIds),
    expected.tokenIds,
  )
  assert.equal(gateway.newest().frames.filter(({ type }) => type === FrameType.end).length, 1)
})

test('an engine that fails is told as a problem, and its models are reported as they go and come', async () => {
  const { gateway, request, engine, run } = setup()
  await run(100)
  request(1, 'What is it?')
  await run(100)
  engine.faults.crash(1_000)
  await run(100)
  const models = () =>
    gateway
      .newest()
      .frames.filter(({ type }) => type === FrameType.capability)
      .map(({ payload }) => NodeReport.parse(decodeJson(payload)).capability.models.length)
  assert.deepEqual(models(), [1, 0])
  const [problem] = gateway.newest().frames.filter(({ type }) => type === FrameType.problem)
  assert.match(JSON.stringify(decodeJson(problem?.payload ?? new Uint8Array())), /engine_failed/)
  await run(1_000)
  assert.deepEqual(models(), [1, 0, 1])
})

test('when the connection is lost its work stops, and is not told to the next one', async () => {
  const { gateway, request, run } = setup()
  await run(100)
  request(1, 'What is it?')
  await run(200)
  gateway.newest().link.close(1001, 'gone')
  await run(20_000)
  const types = gateway.newest().frames.map(({ type }) => type)
  assert.equal(gateway.connections.length, 2)
  assert.equal(
    types.some((type) => type === FrameType.data || type === FrameType.end),
    false,
  )
})

test('draining lets what runs end, then says goodbye', async () => {
  const { gateway, agent, request, run } = setup()
  await run(100)
  request(1, 'What is it?')
  await run(100)
  let done = 0
  agent.drain(60_000, () => {
    done++
  })
  await run(50)
  assert.deepEqual([gateway.newest().frames.at(-1)?.type === FrameType.heartbeat, done], [false, 0])
  assert.ok(gateway.newest().frames.some(({ type }) => type === FrameType.drain))
  await run(20_000)
  const { frames, closed } = gateway.newest()
  assert.equal(frames.filter(({ type }) => type === FrameType.end).length, 1)
  assert.deepEqual([closed, agent.state(), done], ['1000 agent stopped', 'stopped', 1])
})

test('draining ends with its grace, whatever still runs', async () => {
  const { gateway, agent, request, run } = setup({ msPerToken: 10_000 })
  await run(100)
  request(1, 'What is it?')
  await run(100)
  let done = 0
  agent.drain(5_000, () => {
    done++
  })
  await run(4_900)
  assert.equal(done, 0)
  await run(200)
  assert.deepEqual([done, agent.state(), gateway.newest().closed], [1, 'stopped', '1000 agent stopped'])
})

test('an agent that serves nobody drains at once', async () => {
  for (const isListening of [true, false]) {
    const { agent, run } = setup({ isListening })
    await run(1_000)
    let done = 0
    agent.drain(60_000, () => {
      done++
    })
    assert.deepEqual([done, agent.state()], [1, 'stopped'])
    await run(1_000)
    assert.equal(done, 1)
  }
})

test('when the connection is lost while it drains there is nothing left to wait for', async () => {
  const { gateway, agent, request, run } = setup()
  await run(100)
  request(1, 'What is it?')
  await run(100)
  let done = 0
  agent.drain(600_000, () => {
    done++
  })
  gateway.newest().link.close(1001, 'gone')
  await run(1_000)
  assert.deepEqual([done, agent.state(), gateway.connections.length], [1, 'stopped', 1])
})

test('a stopped agent is gone for good', async () => {
  const { gateway, agent, run } = setup()
  await run(100)
  agent.stop()
  agent.stop()
  await run(60_000)
  assert.deepEqual(
    [agent.state(), gateway.connections.length, gateway.newest().closed],
    ['stopped', 1, '1000 agent stopped'],
  )
})

interface Connection {
  readonly link: Link
  readonly frames: Frame[]
  hello: Hello | null
  closed: string | null
}

interface SetupOptions {
  readonly isListening?: boolean
  readonly isMute?: boolean
  readonly msPerToken?: number
}

function setup({ isListening = true, isMute = false, msPerToken = 50 }: SetupOptions = {}) {
  const world = createTestWorld()
  const keys = simCrypto.keyPair(new Uint8Array(32).fill(1))
  const gateway = createScriptedGateway(world.machine('g'), keys.publicKeyHex)
  gateway.isMute = isMute
  if (isListening) gateway.listen()

  const machine = world.machine('agent')
  const model = { id: 'm', tasks: ['chat'], contextTokens: 4_096, slots: 2, fingerprint: 'f' } as const
  const engine = createSimEngine(machine.host.clock, { models: [model], msPerToken, prefillMs: 10 })
  const states: AgentState[] = []
  const refused: string[] = []
  const attempts: number[] = []
  const network = {
    connect: (...call: Parameters<typeof machine.host.network.connect>) => {
      attempts.push(machine.host.clock.elapsedMs())
      return machine.host.network.connect(...call)
    },
  }
  const speed = { prefillTokensPerSecond: 100, decodeTokensPerSecond: 10, decodeTokensPerSecondSingle: 5 }
  const agent = startAgent({ ...machine.host, network }, engine, {
    nodeId: 'node',
    keys,
    gatewayUrl: 'ws://g:80/agent',
    agentVersion: 'test',
    askPerGpuHour: 7n,
    capability: testCapability,
    speedOf: () => speed,
    onRefused: ({ code, message }: Problem) => void refused.push(`${code} ${message}`),
    onState: (state) => void states.push(state),
  })
  const sampling = { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 }
  return {
    run: world.run,
    machine,
    gateway,
    agent,
    engine,
    states,
    attempts: () => attempts,
    refused: () => refused,
    request(stream: number, content: string) {
      const messages = [{ role: 'user', content }]
      const request = { kind: 'chat', requestId: 'r', model: 'm', messages, maxTokens: 50, sampling }
      gateway.newest().link.send(encodeJsonFrame(FrameType.request, stream, request))
    },
  }
}

/** Challenges, checks the proof, admits, and keeps what it hears. */
function createScriptedGateway(
  machine: ReturnType<ReturnType<typeof createTestWorld>['machine']>,
  publicKey: string,
) {
  const connections: Connection[] = []
  const denials: Deny[] = []
  const challenge = { nonce: 'n', gatewayId: 'g' }

  function greet(connection: Connection, frame: Frame): void {
    const hello = Hello.parse(decodeJson(frame.payload))
    const text = new TextEncoder().encode(helloText({ ...challenge, ...hello }))
    assert.ok(simCrypto.verify(publicKey, text, Buffer.from(hello.signature, 'hex')), 'the key is proven')
    connection.hello = hello
    const deny = denials.shift()
    if (!deny) return connection.link.send(encodeJsonFrame(FrameType.admit, 0, { gatewayId: 'g' }))
    connection.link.send(encodeJsonFrame(FrameType.deny, 0, deny))
    connection.link.close(1008, deny.code)
  }

  function accept(link: Link) {
    const connection: Connection = { link, frames: [], hello: null, closed: null }
    connections.push(connection)
    if (!gateway.isMute) link.send(encodeJsonFrame(FrameType.challenge, 0, challenge))
    return {
      onMessage(message: Uint8Array) {
        for (const frame of decodeFrames(message)) {
          connection.frames.push(frame)
          if (frame.type === FrameType.hello) greet(connection, frame)
        }
      },
      onClose(code: number, reason: string) {
        connection.closed = `${code} ${reason}`
      },
    }
  }

  const gateway = {
    /** Accepts links and says nothing. */
    isMute: false,
    connections,
    newest: (): Connection => connections.at(-1) ?? assert.fail('an agent has connected'),
    denyNext: (deny: Deny) => void denials.push(deny),
    listen() {
      const onLink = (_path: string, link: Link) => accept(link)
      void machine.host.network.listen({ hostname: 'g', port: 80 }, { onExchange: () => {}, onLink })
    },
  }
  return gateway
}
