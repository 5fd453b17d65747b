/** Keys with limits at a real gateway, beside a real coordinator, across cuts and restarts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KeyLimits } from '#protocol/key-limits.ts'
import { Problem } from '#protocol/problem.ts'
import type { ScriptedAgent } from '#sim/scripted-agent.ts'
import { API_KEY, createTestNetwork } from '#sim/test-network.ts'
import { PAYER } from '#sim/test-world.ts'
import { type Gateway, openGateway } from './gateway.ts'
import { type GatewayTelemetry, noTelemetry } from './telemetry.ts'

test('a limit holds across a restart, with readings that the ledger has not seen', async () => {
  const { world, machine, serve, limit, ask, used, run } = await setup()
  await limit({ tokensPerDay: 500 })
  await serve(2)
  assert.deepEqual(used(), 200)
  world.faults.cutOff.add('coordinator')
  await serve(1)
  assert.deepEqual(used(), 200, 'the ledger has not heard of the third')
  machine.process.kill()
  machine.disk.crash(machine.process)
  const again = world.machine('g', machine.disk)
  const opening = openGateway(again.host, { gatewayId: 'g', keySecret: 'test', onFatal: fail })
  const gateway = await world.settle(opening)
  world.faults.cutOff.clear()
  await world.settle(new Promise<void>((resolve) => gateway.onReady(resolve)))
  assert.deepEqual(ask(gateway, 201), 'tokens_limited', 'at once, before the reading reached the ledger')
  await run(5_000)
  assert.equal(used(), 300)
  assert.deepEqual([ask(gateway, 201), ask(gateway, 200)], ['tokens_limited', 'admitted'])
})

test('requests under way count with the most that they may come to, and give back the rest', async () => {
  const { gateway, limit, ask, serveOpen } = await setup()
  await limit({ tokensPerDay: 400 })
  assert.deepEqual([ask(gateway, 150), ask(gateway, 150)], ['admitted', 'admitted'])
  assert.equal(ask(gateway, 150), 'tokens_limited')
  await serveOpen()
  assert.deepEqual([ask(gateway, 200), ask(gateway, 1)], ['admitted', 'tokens_limited'])
})

test('limits that change, and what another gateway let through, are heard within a second', async () => {
  const { gateway, limit, ask, run, take } = await setup()
  await limit({ tokensPerDay: 1_000 })
  take((turn) => {
    const usage = { type: 'usage.recorded' as const, spoolId: 'other', sequence: 1, cost: 0n, fee: 0n }
    turn.recordUsage({ ...usage, transferId: null, atMs: turn.nowMs, record: otherReading(900) })
  })
  await run(1_500)
  assert.deepEqual([ask(gateway, 101), ask(gateway, 100)], ['tokens_limited', 'admitted'])
  await limit({})
  assert.equal(ask(gateway, 100), 'admitted')
})

test('a key that was rotated and its successor share one budget', async () => {
  const { gateway, limit, ask, take, run } = await setup()
  await limit({ requestsPerMinute: 2 })
  take((turn) =>
    turn.organisations({
      kind: 'rotate_key',
      keyId: 'key',
      organisationId: PAYER,
      newKeyId: 'next',
      hash: 'h',
      hint: 'h',
      overlapMs: 60_000,
      nowMs: turn.nowMs,
    }),
  )
  await run(1_500)
  const next = { keyId: 'next', organisationId: PAYER, scopes: [] }
  const limited = { budgetId: 'key', limits: { requestsPerMinute: 2 } }
  assert.deepEqual(gateway.directory.keyByHash('h')?.budgetId, 'key')
  assert.equal(ask(gateway, 10), 'admitted')
  assert.equal(ask(gateway, 10, { ...next, limited }), 'admitted')
  assert.deepEqual(
    [ask(gateway, 10), ask(gateway, 10, { ...next, limited })],
    ['rate_limited', 'rate_limited'],
  )
})

test('money: a request that may cost more than the day has left is refused at its node, and costs nothing', async () => {
  const { gateway, limit, problems, ask, run, connect } = await setup()
  await connect()
  await limit({ spendPerDay: 1n })
  ask(gateway, 150)
  await run(500)
  assert.deepEqual(problems, ['spend_limited'])
})

test('money: what a job of the key may yet cost is left to it until it is over', async () => {
  const { gateway, service, limit, ask, run, take } = await setup()
  await limit({ spendPerDay: 1_000n })
  assert.equal(ask(gateway, 150), 'admitted')
  const jobId = 'job_1'
  const requirements = { kind: 'blender', memoryMib: 0, vramMib: 0 }
  const step = {
    ...{ name: 's', digest: 'd', dependsOn: [], requirements, inputRoot: '', inputBytes: 0, settings: {} },
    tasks: [{ params: {}, referenceMs: 1, referenceMsP90: 1 }],
  }
  const plan = {
    ...{ jobId, organisationId: PAYER, name: 'j', priority: 50, cap: 1_000n, pricePerHour: 1n },
    ...{ isIdempotent: true, isVerified: false, keyId: 'key', steps: [step] },
  }
  take((turn) => service.desk.carryOut(turn, { kind: 'submit', plan, nowMs: turn.nowMs }))
  await run(1_500)
  assert.equal(ask(gateway, 150), 'spend_limited')
  take((turn) => service.desk.carryOut(turn, { kind: 'cancel', jobId, nowMs: turn.nowMs }))
  await run(1_500)
  assert.equal(ask(gateway, 150), 'admitted')
})

test('a call that the keeper of its limits has no room for is refused and told as any other', async () => {
  const told: string[] = []
  const onRefused: GatewayTelemetry['onRefused'] = ({ requestId, code }) =>
    void told.push(`${requestId} ${code}`)
  const { gateway, ask } = await createTestNetwork({ telemetry: { ...noTelemetry, onRefused } })
  const caller = gateway.authenticate(API_KEY)
  assert.ok(!(caller instanceof Problem))
  const overLimit = new Problem('rate_limited', 'Enough.')
  assert.deepEqual(ask({}, { ...caller, overLimit }).heard, ['refused rate_limited'])
  assert.deepEqual(told, ['req_1 rate_limited'])
})

const fail = (problem: Problem): never => assert.fail(problem)

const otherReading = (completionTokens: number) => ({
  requestId: 'other',
  organisationId: PAYER,
  keyId: 'key',
  budgetId: 'key',
  holdId: '',
  model: 'model',
  kind: 'chat' as const,
  outcome: 'completed' as const,
  parts: [{ nodeId: 'a', promptTokens: 0, completionTokens, promptPerMillion: 0n, completionPerMillion: 0n }],
  startedAtMs: 1,
  firstTokenMs: 1,
  totalMs: 1,
})

/** A gateway, one node, and the key that all requests carry. */
async function setup() {
  const network = await createTestNetwork({ nodes: ['a'] })
  const { gateway, take, run, service } = network
  const problems: string[] = []
  let agent: ScriptedAgent | null = null
  let requests = 0
  const ended = new Set<string>()

  const connect = async (): Promise<ScriptedAgent> => (agent ??= await network.connect('a', [{ slots: 16 }]))
  function ask(at: Gateway, tokensMax: number, given = at.authenticate(API_KEY)): string {
    assert.ok(!(given instanceof Problem), String(given))
    const requestId = `req_limited_${++requests}`
    const { keyId, organisationId } = given
    const sampling = { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 }
    const messages = [{ role: 'user' as const, content: 'hello' }]
    const engine = { kind: 'chat' as const, requestId, model: 'model', messages, maxTokens: 50, sampling }
    const request = { requestId, keyId, organisationId, engine, promptTokensMax: tokensMax - 1 }
    const sink = {
      onNode() {},
      onText() {},
      onEmbedding() {},
      onFinish() {},
      onProblem: (problem: Problem) => void problems.push(problem.code),
      onCut() {},
    }
    const admitted = at.admit({ ...request, completionTokensMax: 1 }, sink, given)
    return admitted instanceof Problem ? admitted.code : 'admitted'
  }
  /** Lets the node answer all that it has: 99 tokens of prompt and one of answer. */
  async function serveOpen(): Promise<void> {
    const node = await connect()
    await run(500)
    for (const { stream, request } of node.requests()) {
      if (ended.has(request.requestId)) continue
      ended.add(request.requestId)
      node.delta(stream, 'x')
      node.end(stream, { promptTokens: 99, completionTokens: 1 })
    }
    await run(2_000)
  }
  await connect()
  return {
    ...network,
    connect,
    problems,
    ask,
    serveOpen,
    async serve(count: number): Promise<void> {
      for (let n = 0; n < count; n++) {
        assert.equal(ask(gateway, 150), 'admitted')
        await serveOpen()
      }
    },
    async limit(limits: KeyLimits): Promise<void> {
      take((turn) =>
        turn.organisations({
          kind: 'limit_key',
          keyId: 'key',
          organisationId: PAYER,
          limits,
          nowMs: turn.nowMs,
        }),
      )
      await run(1_500)
    },
    used: () => service.coordinator.state.organisations.use.get('key')?.tokens ?? 0,
  }
}
