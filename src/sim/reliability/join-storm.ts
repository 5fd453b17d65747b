/**
 * A hundred thousand nodes a minute that are none: strangers who greet gateways with keys that nobody enrolled, with junk or
 * with nothing; owners who enrol as many as they are let; and enrolled ones that cannot prove their hardware. Beside
 * them the good nodes go on serving.
 */
import { readRecord } from '#coordinator/coordinator-events.ts'
import { enrolNode } from '#coordinator/enrol-node.ts'
import { openOrganisation } from '#coordinator/open-organisation.ts'
import type { KeyPair } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { createRandom, forkRandom, type Random } from '#kernel/random.ts'
import { MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { Challenge, helloText } from '#protocol/agent-link.ts'
import { AGENT_PROTOCOL } from '#protocol/agent-version.ts'
import { decodeFrames, decodeJson, encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import { joinLimitsDefault } from '#verify/hardware/join-limits.ts'
import { simCrypto } from '../sim-host.ts'
import { EPOCH_MS, SimProcess } from '../sim-process.ts'
import { MODELS, type SimWorld } from '../sim-world.ts'
import { openRig } from './rig.ts'
import { type Scenario, shareFigures } from './scenario.ts'
import { finishStreams, hasSucceeded, startStreams } from './stream-load.ts'

const GOOD = 20
/** Enrolled, connected, and not what they say. */
const FORGERS = 20
const JOINS_PER_MINUTE = 100_000
const MINUTES = { full: 2, quick: 0.25 }
const OWNERS = 200
const NETWORKS = 500
/** Whose they are makes no difference: nobody enrolled any of them. */
const KEYS = 200
const HEAP_GROWTH_MIB_MAX = 200

export const joinStorm: Scenario = async ({ seed, isQuick }) => {
  const random = createRandom(seed)
  const stormMs = (isQuick ? MINUTES.quick : MINUTES.full) * MINUTE_MS
  const asked = new Set<string>()
  const rig = await openRig(forkRandom(random), {
    plan: { nodes: GOOD + FORGERS, gateways: 2, clients: 20 },
    world: {
      agentOf: ({ index }) => ({
        models: [MODELS[0]],
        ...(index >= GOOD && { proves: forgeries[index % 3] ?? 'silent' }),
      }),
      watch: { onAttempt: ({ nodeId }) => void asked.add(nodeId) },
    },
  })
  const { world } = rig
  const load = startStreams(
    rig,
    {
      rateAt: () => 3,
      durationMs: stormMs + MINUTE_MS,
      answer: { median: 80, sigma: 0.5, max: 200 },
      prompt: { median: 40, sigma: 0.3, max: 100 },
    },
    forkRandom(random),
  )
  await rig.runUntil(world.scheduler.nowMs() + MINUTE_MS / 2)
  const suspectsBefore = goodSuspects(world)
  const heapBefore = heapMib()
  const cpuBefore = process.cpuUsage()
  const greetings = startGreetings(world, stormMs, forkRandom(random))
  const joins = startJoins(world, stormMs, forkRandom(random))
  await rig.runUntil(world.scheduler.nowMs() + stormMs)
  const { user, system } = process.cpuUsage(cpuBefore)
  await rig.runUntil(world.scheduler.nowMs() + MINUTE_MS / 3)
  const heapGrowthMib = Math.max(0, heapMib() - heapBefore)
  await finishStreams(rig, load)
  const forgers = new Set(world.agents.slice(GOOD).map(({ nodeId }) => nodeId))
  await rig.check(forgers)
  const missed = goodSuspects(world) - suspectsBefore
  const nodesInState = world.coordinator?.state.fleet.nodes.size ?? 0
  const paid = [...rig.outcomes.values()].filter(({ parts }) =>
    parts.some(({ nodeId }) => !isGood(nodeId)),
  ).length
  const succeeded = load.calls.filter(hasSucceeded).length
  const total = greetings.sent + joins.asked
  return {
    figures: {
      joins: total,
      joinsPerMinute: Math.round((total * MINUTE_MS) / stormMs),
      greetings: greetings.sent,
      greetingsAdmitted: greetings.admitted,
      enrolmentsAsked: joins.asked,
      enrolmentsLetIn: joins.letIn,
      nodesInState,
      forgersConnected: FORGERS,
      forgersAsked: [...asked].filter((nodeId) => forgers.has(nodeId)).length,
      forgersPaid: paid,
      goodHeartbeatsMissed: missed,
      requests: load.calls.length,
      ...shareFigures('succeeded', succeeded, load.calls.length),
      heapGrowthMib: Math.round(heapGrowthMib),
      cpuMicrosPerJoin: Math.round((user + system) / total),
      cpuShareOfOneCore: Math.round(((user + system) / 1_000 / stormMs) * 100) / 100,
    },
    promises: {
      noneGetsWork: [...asked].every(isGood) && greetings.admitted === 0,
      noneIsPaid: paid === 0,
      goodHeartbeatsNotMissed: missed === 0,
      memoryIsBounded: heapGrowthMib <= HEAP_GROWTH_MIB_MAX,
      joinsAreLimited:
        joins.letIn <= Math.min(OWNERS * joinLimitsDefault.perOwner, NETWORKS * joinLimitsDefault.perNetwork),
      goodNodesServeOn: succeeded / load.calls.length >= 0.999,
      asManyAsPromised: total / (stormMs / MINUTE_MS) >= JOINS_PER_MINUTE,
    },
  }
}

const forgeries = ['forges', 'lateForges', 'silent'] as const
const isGood = (nodeId: string): boolean => /^node_\d{4}$/.test(nodeId) && Number(nodeId.slice(5)) < GOOD

/** How often a good node was taken for silent or gone, as the journal has it. */
const goodSuspects = ({ coordinatorDisk }: SimWorld): number =>
  coordinatorDisk
    .durable('journal')
    .flatMap(({ payload }) => readRecord(payload).events)
    .filter((event) => event.type === 'fleet.node_suspect' && isGood(event.nodeId)).length

function heapMib(): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed / 2 ** 20
}

/** Nine in ten say hello with a key of their own, properly signed; of the others some say junk, and some nothing. */
function startGreetings(world: SimWorld, stormMs: number, random: Random) {
  const { scheduler, network, gateways } = world
  const counts = { sent: 0, admitted: 0 }
  const stranger = new SimProcess(scheduler, 'stranger', 0)
  const port = network.port(stranger)
  const strangers = Array.from({ length: KEYS }, (_, key) => simCrypto.keyPair(new Uint8Array(32).fill(key)))
  const everyMs = MINUTE_MS / JOINS_PER_MINUTE
  const endMs = scheduler.nowMs() + stormMs
  function greet(): void {
    if (scheduler.nowMs() >= endMs) return
    scheduler.after(everyMs, greet)
    const number = counts.sent++
    const kind = random.int(20)
    const keys = strangers[number % strangers.length] as KeyPair
    const gateway = gateways[number % gateways.length]
    const link = port.connect(`ws://${gateway?.address}/agent`, {
      onMessage(message) {
        const [frame] = decodeFrames(message)
        if (frame?.type === FrameType.admit) counts.admitted++
        if (frame?.type !== FrameType.challenge || kind === 0) return
        if (kind === 1) return link.send(new Uint8Array([random.int(256), 1, 2, 3]))
        const { nonce, gatewayId } = Challenge.parse(decodeJson(frame.payload))
        // Some say that they are a node that is there.
        const nodeId =
          kind === 2 ? `node_${String(number % GOOD).padStart(4, '0')}` : `node_stranger${number}`
        const facts = { nodeId, session: EPOCH_MS * 2 }
        const text = Buffer.from(helloText({ ...facts, nonce, gatewayId }))
        const signature = Buffer.from(simCrypto.sign(keys.privateKeyHex, text)).toString('hex')
        const hello = {
          ...facts,
          protocol: AGENT_PROTOCOL.max,
          signature,
          agentVersion: 'storm',
          versions: AGENT_PROTOCOL,
        }
        link.send(encodeJsonFrame(FrameType.hello, 0, hello))
      },
      onClose: () => undefined,
    })
  }
  greet()
  return counts
}

/** Owners with tokens of their own enrol as many nodes as they are let, from a few hundred networks. */
function startJoins(world: SimWorld, stormMs: number, random: Random) {
  const { scheduler } = world
  const counts = { asked: 0, letIn: 0 }
  const endMs = scheduler.nowMs() + stormMs
  world.coordinator?.execute(
    (turn) => {
      for (let owner = 0; owner < OWNERS; owner++)
        openOrganisation(turn, { organisationId: `org_storm${owner}`, name: `storm ${owner}` })
    },
    () => undefined,
  )
  const perSecond = JOINS_PER_MINUTE / 20 / 60
  function join(): void {
    if (scheduler.nowMs() >= endMs) return
    scheduler.after(SECOND_MS / perSecond, join)
    const number = counts.asked++
    world.coordinator?.execute(
      (turn) => {
        const organisationId = `org_storm${number % OWNERS}`
        const [tokenHash, { nowMs }] = [`storm-${number}`, turn]
        const refusal = turn.fleet({
          kind: 'issue_token',
          tokenHash,
          organisationId,
          expiresAtMs: nowMs + MINUTE_MS,
          nowMs,
        })
        if (refusal) return refusal
        const network = random.int(NETWORKS)
        const sourceAddress = `203.${network >> 8}.${network & 255}.${random.int(256)}`
        const enrolment = {
          nodeId: `node_fake${number}`,
          publicKey: `${number}`.padStart(64, '0'),
          name: 'fake',
          tokenHash,
          askPerGpuHour: 1n,
        }
        const enrolled = enrolNode(turn, enrolment, { limits: joinLimitsDefault, sourceAddress })
        if (typeof enrolled !== 'string') counts.letIn++
        return enrolled
      },
      () => undefined,
    )
  }
  assert(world.coordinator, 'the coordinator is up')
  join()
  return counts
}
