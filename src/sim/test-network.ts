/** For tests of the gateway: a real coordinator and a real gateway on simulated machines, with agents that follow a script. */
import {
  type CoordinatorService,
  type CoordinatorServiceOptions,
  openCoordinatorService,
} from '#coordinator/coordinator-service.ts'
import type { Turn } from '#coordinator/turn.ts'
import { type Caller, type Gateway, openGateway } from '#gateway/gateway.ts'
import type { RequestRun } from '#gateway/request-run.ts'
import type { RunRequest, RunResult, RunSink } from '#gateway/run-request.ts'
import type { GatewayTelemetry } from '#gateway/telemetry.ts'
import { assert } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import { consumerAccount, NETWORK_FEES, providerAccount } from '#ledger/ledger.ts'
import { AGENT_PROTOCOL } from '#protocol/agent-version.ts'
import type { ModelCapability } from '#protocol/capability.ts'
import { Problem } from '#protocol/problem.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { connectScriptedAgent, type ScriptedAgent } from './scripted-agent.ts'
import { simCrypto } from './sim-host.ts'
import {
  createTestWorld,
  foundCell,
  PAYER,
  PROVIDER,
  type TestMachine,
  type TestWorld,
} from './test-world.ts'

export const API_KEY = 'sk-shoal-test-key'
const KEY_SECRET = 'test'
const NETWORK_KEYS = simCrypto.keyPair(new Uint8Array(32).fill(250))
const SETTLED_MS = 200

export interface TestCall {
  /** All that the caller heard, in order, a word or two each. */
  readonly heard: readonly string[]
  /** The run, once it was admitted. */
  run(): RequestRun
  result(): RunResult
  problem(): Problem
}

export interface TestNetwork {
  readonly world: TestWorld
  readonly service: CoordinatorService
  readonly gateway: Gateway
  readonly machine: TestMachine
  /** Each request's outcome, as the gateway metered it. */
  readonly outcomes: readonly UsageRecord[]
  run(durationMs: number): Promise<void>
  take(useCase: (turn: Turn) => unknown): void
  /** Connects the node and lets it report `models`; its next session each time. */
  connect(nodeId: string, models?: readonly Partial<ModelCapability>[]): Promise<ScriptedAgent>
  /** Sends a chat request of 100 prompt and 50 completion tokens at most. */
  ask(part?: Partial<RunRequest>, caller?: Caller): TestCall
  /** The payer's money: what is available and what is held. */
  money(): { available: NanoUsd; held: NanoUsd }
  /** What the nodes' owner has. */
  earned(): NanoUsd
  /** What the network has taken. */
  fees(): NanoUsd
}

export async function createTestNetwork(
  options: {
    balance?: NanoUsd
    nodes?: readonly string[]
    /** Its nodes have to prove their hardware; they need not unless given. */
    nodeProofs?: CoordinatorServiceOptions['nodeProofs']
    telemetry?: GatewayTelemetry
  } = {},
): Promise<TestNetwork> {
  const nodeIds = options.nodes ?? ['a', 'b']
  const world = createTestWorld()
  const onFatal = (problem: Problem): never => {
    throw problem
  }
  const keys = Object.fromEntries(
    nodeIds.map((id, index) => [id, simCrypto.keyPair(new Uint8Array(32).fill(index + 1))]),
  )
  const coordinator = world.machine('coordinator')
  const service = await world.settle(
    openCoordinatorService(coordinator.host, {
      ...{ feeBps: 500, snapshotEvery: 1_000, onFatal },
      ...(options.nodeProofs && { nodeProofs: options.nodeProofs }),
    }),
  )
  const take = (useCase: (turn: Turn) => unknown): void => service.coordinator.execute(useCase, () => {})
  take((turn) => {
    const nodes = Object.fromEntries(nodeIds.map((id) => [id, keys[id]?.publicKeyHex ?? '']))
    foundCell(turn, { ...(options.balance === undefined ? {} : { balance: options.balance }), nodes })
    const hash = Buffer.from(simCrypto.hmacSha256(KEY_SECRET, API_KEY)).toString('hex')
    const key = { keyId: 'key', organisationId: PAYER, name: 'test', hash, hint: 'sk' }
    turn.organisations({ kind: 'create_key', ...key, scopes: ['developer'], nowMs: turn.nowMs })
  })

  const machine = world.machine('g')
  const outcomes: UsageRecord[] = []
  const gateway = await world.settle(
    openGateway(machine.host, {
      gatewayId: 'g',
      keySecret: KEY_SECRET,
      onFatal,
      ...(options.nodeProofs && { network: { keys: NETWORK_KEYS, goesBy: () => true, tlsKeys: () => [] } }),
      onOutcome: (record) => outcomes.push(record),
      ...(options.telemetry && { telemetry: options.telemetry }),
    }),
  )
  const onLink = (_path: string, link: Parameters<Gateway['acceptLink']>[0]) => gateway.acceptLink(link)
  void machine.host.network.listen({ hostname: 'g', port: 80 }, { onExchange: () => {}, onLink })
  await world.run(SETTLED_MS)

  const agents = world.machine('agents')
  let session = 0
  let asked = 0
  return {
    world,
    service,
    gateway,
    machine,
    outcomes,
    run: world.run,
    take,
    async connect(nodeId, models = [{}]) {
      const pair = keys[nodeId]
      assert(pair, `the network has a node ${nodeId}`)
      const agent = connectScriptedAgent(agents, 'ws://g:80/agent', {
        nodeId,
        keys: pair,
        session: ++session,
        ...(options.nodeProofs && { hello: { protocol: AGENT_PROTOCOL.max } }),
      })
      await world.run(SETTLED_MS)
      agent.report(models)
      await world.run(SETTLED_MS)
      return agent
    },
    ask: (part = {}, caller) => ask({ gateway, caller }, `req_${++asked}`, part),
    earned: () => service.coordinator.state.ledger.accounts.get(providerAccount(PROVIDER))?.available ?? 0n,
    fees: () => service.coordinator.state.ledger.accounts.get(NETWORK_FEES)?.available ?? 0n,
    money() {
      const account = service.coordinator.state.ledger.accounts.get(consumerAccount(PAYER))
      return { available: account?.available ?? 0n, held: account?.held ?? 0n }
    },
  }
}

function ask(
  { gateway, caller }: { gateway: Gateway; caller: Caller | undefined },
  requestId: string,
  part: Partial<RunRequest>,
): TestCall {
  const heard: string[] = []
  let result: RunResult | null = null
  let problem: Problem | null = null
  const sink: RunSink = {
    onNode: (nodeId) => void heard.push(`node ${nodeId}`),
    onText: (text, detail) => void heard.push(`text ${text}${detail ? ` ${JSON.stringify(detail)}` : ''}`),
    onEmbedding: (vectors) => void heard.push(`embedding ${JSON.stringify(vectors)}`),
    onFinish(found) {
      result = found
      heard.push(`finish ${found.finishReason}`)
    },
    onProblem(found) {
      problem = found
      heard.push(`problem ${found.code}`)
    },
    onCut: () => void heard.push('cut'),
  }
  const sampling = { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 }
  const messages = [{ role: 'user' as const, content: 'hello' }]
  const request: RunRequest = {
    requestId,
    organisationId: PAYER,
    keyId: 'key',
    engine: { kind: 'chat', requestId, model: 'model', messages, maxTokens: 50, sampling },
    promptTokensMax: 100,
    completionTokensMax: 50,
    ...part,
  }
  const admitted = gateway.admit(request, sink, caller)
  if (admitted instanceof Problem) {
    problem = admitted
    heard.push(`refused ${admitted.code}`)
  }
  return {
    heard,
    run() {
      assert(!(admitted instanceof Problem), `the request was admitted: ${heard.join(', ')}`)
      return admitted
    },
    result() {
      assert(result, `the request finished: ${heard.join(', ')}`)
      return result
    },
    problem() {
      assert(problem, `the request failed: ${heard.join(', ')}`)
      return problem
    },
  }
}
