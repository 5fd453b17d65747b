/**
 * A network of which some nodes cheat, each in its own way: the real coordinator, gateways and agents with their audits, their
 * ledger and their verdicts. Engines are simulated, and so is how likely one finds what another answered.
 */

import type { CoordinatorEvent } from '#coordinator/coordinator-events.ts'
import type { CoordinatorState } from '#coordinator/coordinator-state.ts'
import { openOrganisation } from '#coordinator/open-organisation.ts'
import type { Turn } from '#coordinator/turn.ts'
import { exponential } from '#economics/draws.ts'
import { assert } from '#kernel/assert.ts'
import { createRandom, forkRandom, type Random } from '#kernel/random.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { providerAccount } from '#ledger/ledger.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { sendCall } from '../../sim-client.ts'
import { apiKeyOf, enrolSlot, foundClients } from '../../sim-load.ts'
import { type AgentSlot, type GatewaySlot, MODELS } from '../../sim-world.ts'
import { openRig, type Rig } from '../rig.ts'
import { type Cast, castOf, type Member, playedBy } from './cast.ts'

export interface MaliciousPlan {
  readonly nodes: number
  readonly sharePercent: number
  readonly requests: number
  readonly hours: number
}

/** What is known of one member in the end. */
export interface MemberOutcome {
  readonly member: Member
  /** Billed answers, and false ones among them. */
  readonly answered: number
  readonly falseAnswered: number
  /** Until it was judged first: its answers that were looked at, its answers, and its false ones; `null`: it never was. */
  readonly judgedAfter: { readonly audited: number; readonly answered: number; readonly lies: number } | null
  readonly verdicts: number
  /** In nano-USD: what its owner has, held back or not, and what of that it was paid for looking at others' answers. */
  readonly income: bigint
  /** Of that, what is held back. */
  readonly held: bigint
  readonly auditIncome: bigint
}

export interface MaliciousRun {
  readonly cast: Cast
  readonly outcomes: readonly MemberOutcome[]
  readonly completed: number
  readonly failed: number
  /** Of the completed ones, those that were asked for in the last third of the time, and the false ones among them. */
  readonly late: { readonly completed: number; readonly falseAnswers: number }
  /** Completed answers that were not the right one. */
  readonly falseAnswers: number
  /** Of those, the ones that were paid back to their callers. */
  readonly falseRefunded: number
  readonly audits: number
  readonly auditPay: bigint
  readonly charged: bigint
  readonly rejoined: number
  readonly events: number
}

/** The founder is the oldest organisation, and of several at one time the first by its id. */
const OPERATOR = 'org_0operator'
const CLIENTS = 40
/** Longer than a real agent's: heartbeats would be most of a day's events. */
const HEARTBEAT_MS = 60 * SECOND_MS
const MS_PER_TOKEN = 20
/** A washed node comes back with another owner, key and address, which takes it so long to have. */
const REJOIN_MS = HOUR_MS
const ANSWER = { min: 24, spread: 48 }
const PROMPT_CHARACTERS = 400
const ASK_FACTOR = 3
const TOKENS_PER_DELTA = 24

export async function runMalicious(seed: number, plan: MaliciousPlan): Promise<MaliciousRun> {
  const random = createRandom(seed)
  const livesMax = Math.ceil((plan.hours * HOUR_MS) / REJOIN_MS)
  const cast = castOf({ ...plan, livesMax }, forkRandom(random))
  const { members } = cast
  const refused = new Set<number>()
  const rig = await openRig(forkRandom(random), {
    plan: { nodes: members.length, gateways: 2, clients: CLIENTS, askFactor: ASK_FACTOR },
    found: (turn, world) => {
      openOrganisation(turn, { organisationId: OPERATOR, name: 'operator' })
      foundClients(turn, world)
      for (const slot of world.agents.slice(0, cast.present)) enrol(turn, slot, members[slot.index] as Member)
    },
    world: {
      heartbeatMs: HEARTBEAT_MS,
      agentOf: ({ index }) => ({
        msPerToken: MS_PER_TOKEN,
        prefillMs: 40,
        tokensPerDelta: TOKENS_PER_DELTA,
        models: [MODELS[0]],
        manners: playedBy(members[index] as Member),
        isAmongLiars: true,
      }),
      onRefused: ({ index }) => void refused.add(index),
    },
    isThere: ({ index }) => index < cast.present,
  })
  const watch = new Watch(rig, cast)
  startWashing(rig, { cast, watch, random: forkRandom(random) })
  const calls = startCalls(rig, plan, { watch, random: forkRandom(random) })
  await rig.runUntil(rig.world.scheduler.nowMs() + plan.hours * HOUR_MS)
  await rig.runUntil(rig.world.scheduler.nowMs() + 5 * MINUTE_MS)
  assert(calls.open() === 0, `all calls end: ${calls.open()} are open`)
  const { coordinator } = rig.world
  assert(coordinator, 'the coordinator is up')
  await rig.check()
  return {
    cast,
    ...watch.outcome(coordinator.state, rig.outcomes),
    ...calls.counts,
    events: rig.world.scheduler.count(),
  }
}

function enrol(turn: Turn, slot: AgentSlot, { organisationId }: Member): void {
  openOrganisation(turn, { organisationId, name: organisationId })
  enrolSlot(turn, slot, organisationId)
}

/** What happened to whom, as the coordinator decided it. */
class Watch {
  readonly #cast: Cast
  readonly #byNode = new Map<string, Member>()
  readonly #audited = new Map<number, number>()
  readonly #judged = new Map<number, NonNullable<MemberOutcome['judgedAfter']>>()
  readonly #verdicts = new Map<number, number>()
  readonly #answered = new Map<number, number>()
  readonly #auditIncome = new Map<string, bigint>()
  readonly #falseBy = new Map<string, number>()
  readonly falseRequests = new Set<string>()
  readonly #proven = new Set<string>()
  onJudged: (member: Member) => void = () => {}
  rejoined = 0
  #audits = 0
  #auditPay = 0n
  #charged = 0n

  constructor({ world }: Rig, cast: Cast) {
    this.#cast = cast
    for (const slot of world.agents) this.#byNode.set(slot.nodeId, cast.members[slot.index] as Member)
    world.coordinator?.onEvent((event) => this.#hear(event))
  }

  #hear(event: CoordinatorEvent): void {
    switch (event.type) {
      case 'usage.recorded': {
        this.#charged += event.cost
        for (const { nodeId } of event.record.parts) add(this.#answered, this.#memberOf(nodeId).index)
        return
      }
      case 'verify.answer_checked': {
        this.#audits++
        add(this.#audited, this.#memberOf(event.nodeId).index)
        return
      }
      case 'verify.node_judged': {
        const member = this.#memberOf(event.nodeId)
        const { index, counts } = member
        add(this.#verdicts, index)
        for (const { auditId } of event.proofs) this.#proven.add(auditId.split(':')[0] ?? '')
        if (!this.#judged.has(index)) {
          const audited = this.#audited.get(index) ?? 0
          this.#judged.set(index, { audited, answered: counts.answers, lies: counts.false })
        }
        return this.onJudged(member)
      }
      case 'ledger.captured': {
        if (!event.transferId.startsWith('audit:')) return
        for (const { accountId, amount } of event.payouts) {
          this.#auditPay += amount
          this.#auditIncome.set(accountId, (this.#auditIncome.get(accountId) ?? 0n) + amount)
        }
      }
    }
  }

  #memberOf(nodeId: string): Member {
    const member = this.#byNode.get(nodeId)
    assert(member, `${nodeId} is a member`)
    return member
  }

  outcome(state: CoordinatorState, outcomes: ReadonlyMap<string, UsageRecord>) {
    for (const requestId of this.falseRequests)
      for (const { nodeId } of outcomes.get(requestId)?.parts ?? [])
        if (this.#memberOf(nodeId).strategy !== null) add(this.#falseBy, nodeId)
    const nodeIds = [...this.#byNode.keys()]
    return {
      outcomes: this.#cast.members.map((member): MemberOutcome => {
        const { index, organisationId } = member
        const accountId = providerAccount(organisationId)
        const account = state.ledger.accounts.get(accountId)
        return {
          member,
          answered: this.#answered.get(index) ?? 0,
          falseAnswered: this.#falseBy.get(nodeIds[index] ?? '') ?? 0,
          judgedAfter: this.#judged.get(index) ?? null,
          verdicts: this.#verdicts.get(index) ?? 0,
          income: (account?.available ?? 0n) + (account?.held ?? 0n),
          held: account?.held ?? 0n,
          auditIncome: this.#auditIncome.get(accountId) ?? 0n,
        }
      }),
      falseAnswers: this.falseRequests.size,
      falseRefunded: [...this.falseRequests].filter((requestId) => this.#proven.has(requestId)).length,
      audits: this.#audits,
      auditPay: this.#auditPay,
      charged: this.#charged,
      rejoined: this.rejoined,
    }
  }
}

function add<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

/** Whoever washes himself clean leaves when he was judged, and comes back as somebody else. */
function startWashing(
  { world }: Rig,
  { cast, watch, random }: { cast: Cast; watch: Watch; random: Random },
): void {
  const { scheduler } = world
  const lives = cast.members.filter(({ firstLife }) => firstLife !== null)
  watch.onJudged = (member) => {
    if (member.strategy !== 'whitewash') return
    const first = member.firstLife ?? member.index
    const at = lives.findIndex(({ firstLife }) => firstLife === first)
    const [next] = at === -1 ? [] : lives.splice(at, 1)
    const [old, slot] = [world.agents[member.index], next && world.agents[next.index]]
    scheduler.after(SECOND_MS, () => old && world.killAgent(old))
    if (!next || !slot) return
    scheduler.after(REJOIN_MS - random.int(REJOIN_MS / 4), () => {
      watch.rejoined++
      world.coordinator?.execute(
        (turn) => enrol(turn, slot, next),
        () => world.startAgent(slot),
      )
    })
  }
}

function startCalls(
  rig: Rig,
  { requests, hours }: MaliciousPlan,
  { watch, random }: { watch: Watch; random: Random },
) {
  const { scheduler, network, gateways } = rig.world
  const counts = { completed: 0, failed: 0, late: { completed: 0, falseAnswers: 0 } }
  const lateFromMs = scheduler.nowMs() + (hours * HOUR_MS * 2) / 3
  const callerRandom = forkRandom(random)
  const gap = exponential((hours * HOUR_MS) / requests)
  let open = 0
  let sent = 0

  function call(): void {
    if (++sent < requests) scheduler.after(gap(random), call)
    const gateway = gateways[random.int(gateways.length)] as GatewaySlot
    const server = network.serverProcess(gateway.address)
    assert(server, 'gateways are up')
    const wanted = ANSWER.min + random.int(ANSWER.spread)
    let isFalse = false
    const isLate = scheduler.nowMs() >= lateFromMs
    open++
    sendCall(
      {
        scheduler,
        random: callerRandom,
        server,
        deliver: (exchange) => network.exchange(gateway.address, exchange),
      },
      {
        apiKey: apiKeyOf(random.int(CLIENTS)),
        model: MODELS[0],
        prompt: `write ${wanted} on ${sent} `.padEnd(PROMPT_CHARACTERS, '.'),
        // Some leave room, so that more than the truth could be told.
        maxTokens: random.chance(1, 2) ? wanted * 2 : wanted,
        isStream: random.chance(3, 4),
        leaveAfterMs: null,
        drainMs: null,
        onFalse: () => {
          isFalse = true
        },
      },
      ({ kind, requestId }) => {
        open--
        counts[kind === 'completed' ? 'completed' : 'failed']++
        if (kind !== 'completed') return
        if (isLate) counts.late.completed++
        if (!isFalse || requestId === null) return
        watch.falseRequests.add(requestId)
        if (isLate) counts.late.falseAnswers++
      },
    )
  }
  scheduler.after(gap(random), call)
  return { counts, open: () => open }
}
