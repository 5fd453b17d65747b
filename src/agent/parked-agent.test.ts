/** A real agent at a real gateway's door: what parking does to the work that comes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDirectory } from '#gateway/directory.ts'
import { createNodeLinks } from '#gateway/node-links.ts'
import { PresenceReport, ReportNode, subjects } from '#protocol/cell.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { FrameType } from '#protocol/frame.ts'
import { testCapability } from '#sim/scripted-agent.ts'
import { createSimEngine } from '#sim/sim-engine.ts'
import { simCrypto } from '#sim/sim-host.ts'
import { createTestWorld } from '#sim/test-world.ts'
import { startAgent } from './agent.ts'
import type { TaskWorker } from './work/task-worker.ts'

test('a parked node gets no new work and stays connected; what runs ends', async () => {
  const { agent, ready, run, ask, count } = await setup()
  const stream = ask()
  agent.park('electricity is dear')
  await run(100)
  assert.deepEqual(ready(), [])
  assert.deepEqual(count(), { online: 1, suspect: 0 })
  await run(60_000)
  assert.deepEqual(stream.ended, ['end'])
  assert.equal(agent.state(), 'serving')
})

test('a node that parks by what models sell for goes on with its tasks', async () => {
  const { agent, ready, run, tasks } = await setup()
  agent.park('its owner is back', 'give_back')
  agent.park('electricity is dear', 'tasks_go_on')
  agent.park('electricity is dearer', 'tasks_go_on')
  await run(100)
  assert.deepEqual([ready(), tasks], [[], ['parked give_back', 'resumed', 'resumed']])
})

test('it takes work again when it comes back, and the gateway looks for some', async () => {
  const { agent, ready, run, available } = await setup()
  agent.park('electricity is dear')
  await run(100)
  const before = available()
  agent.unpark()
  await run(100)
  assert.deepEqual(ready(), ['node'])
  assert.ok(available() > before)
})

test('the network is told why, once', async () => {
  const { agent, reports, run } = await setup()
  agent.park('electricity is dear')
  agent.park('electricity is dear')
  await run(100)
  agent.unpark()
  agent.unpark()
  await run(100)
  assert.deepEqual(
    reports().map(({ capability }) => capability.problems),
    [[], ['Parked: electricity is dear'], []],
  )
  assert.deepEqual(
    reports().map(({ capability }) => capability.parkedReason),
    [undefined, 'electricity is dear', undefined],
  )
})

test('a node that is parked stays so over a new connection, without a moment in between', async () => {
  const { agent, ready, run, breakLink, openAtReports, presence } = await setup()
  agent.park('electricity is dear')
  await run(100)
  breakLink()
  await run(60_000)
  assert.equal(agent.state(), 'serving')
  assert.deepEqual(ready(), [])
  assert.deepEqual(openAtReports(), [true, false, false])
  // It did not leave: its connection broke.
  assert.deepEqual(presence(), ['online', 'suspect: link_closed', 'online'])
})

test('a node that is leaving does not come back when electricity is cheap again', async () => {
  const { agent, ready, run, ask } = await setup()
  agent.park('electricity is dear')
  ask({ maxTokens: 400 })
  await run(50)
  agent.drain(30_000, () => undefined)
  agent.unpark()
  await run(200)
  assert.equal(agent.state(), 'serving')
  assert.deepEqual(ready(), [])
})

test('a new ask is told at once, and an old one not again', async () => {
  const { agent, reports, run } = await setup()
  agent.setAsk(9n)
  agent.setAsk(9n)
  await run(100)
  assert.deepEqual(
    reports().map(({ askPerGpuHour }) => askPerGpuHour),
    [7n, 9n],
  )
})

const model = { id: 'm', tasks: ['chat'], contextTokens: 4_096, slots: 2, fingerprint: 'f' } as const
const speed = { prefillTokensPerSecond: 100, decodeTokensPerSecond: 10, decodeTokensPerSecondSingle: 5 }
const sampling = { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 }

async function setup() {
  const world = createTestWorld()
  const keys = simCrypto.keyPair(new Uint8Array(32).fill(1))
  const directory = createDirectory()
  const followed = {
    id: 'node',
    organisationId: 'o',
    publicKey: keys.publicKeyHex,
    session: 0,
    isDrained: false,
    isBanned: false,
    models: ['m'],
  }
  directory.apply({
    epoch: 1,
    version: 1,
    isComplete: true,
    wantsPresence: false,
    nodes: [followed],
    keys: [],
  })
  const presence: string[] = []
  const reports: ReturnType<typeof ReportNode.parse>[] = []
  const coordinator = world.machine('coordinator')
  coordinator.host.bus.serve(subjects.presence, (message, reply) => {
    for (const { status, reason } of PresenceReport.parse(JSON.parse(message)).nodes)
      presence.push(reason === null ? status : `${status}: ${reason}`)
    reply(JSON.stringify({ epoch: 1, refused: [] }))
  })
  coordinator.host.bus.subscribe(subjects.report, (message) => {
    reports.push(ReportNode.parse(JSON.parse(message)))
  })

  const gateway = world.machine('g')
  /** At each report that came: whether the node got work right after it. */
  const openAtReports: boolean[] = []
  let available = 0
  const links = createNodeLinks(
    { ...gateway.host, directory },
    {
      gatewayId: 'g',
      incarnation: 1,
      onAvailable: () => {
        available++
      },
      onUnknownNode: () => undefined,
    },
  )
  const closers: (() => void)[] = []
  await world.settle(
    gateway.host.network.listen(
      { hostname: 'g', port: 80 },
      {
        onExchange: () => undefined,
        onLink(_path, link) {
          closers.push(() => link.close(1001, 'the wire broke'))
          const handlers = links.accept(link)
          return {
            ...handlers,
            onMessage(message) {
              handlers.onMessage(message)
              if (message[0] === FrameType.capability) openAtReports.push([...links.ready()].length > 0)
            },
          }
        },
      },
    ),
  )

  const machine = world.machine('agent')
  const engine = createSimEngine(machine.host.clock, { models: [model], msPerToken: 500, prefillMs: 10 })
  const tasks: string[] = []
  const worker: Pick<TaskWorker, 'pause' | 'resume' | 'connected' | 'disconnected' | 'leave' | 'giveBack'> = {
    pause: (name, how) => void tasks.push(`${name} ${how}`),
    resume: () => void tasks.push('resumed'),
    connected: () => undefined,
    disconnected: () => undefined,
    leave: () => undefined,
    giveBack: () => undefined,
  }
  const agent = startAgent(machine.host, engine, {
    worker: worker as TaskWorker,
    nodeId: 'node',
    keys,
    gatewayUrl: 'ws://g:80/agent',
    agentVersion: 'test',
    askPerGpuHour: 7n,
    capability: testCapability,
    speedOf: () => speed,
    onRefused: (problem) => assert.fail(problem.message),
  })
  await world.run(1_000)
  const [connection] = [...links.ready()]
  assert.ok(connection)
  return {
    agent,
    tasks,
    run: world.run,
    presence: () => presence,
    reports: () => reports,
    ready: () => [...links.ready()].map(({ nodeId }) => nodeId),
    count: () => links.count(),
    available: () => available,
    openAtReports: () => openAtReports,
    breakLink: () => closers.at(-1)?.(),
    ask({ maxTokens = 50 } = {}) {
      const ended: string[] = []
      const messages = [{ role: 'user' as const, content: 'Hello' }]
      const request: EngineRequest = {
        kind: 'chat',
        requestId: 'r',
        model: 'm',
        messages,
        maxTokens,
        sampling,
      }
      connection.open(request, {
        onStarted: () => undefined,
        onData: () => undefined,
        onEmbedding: () => undefined,
        onEnd: () => void ended.push('end'),
        onProblem: (problem) => void ended.push(problem.code),
      })
      return { ended }
    },
  }
}
