/** Callers that send requests, and an operator who deposits, from a drawn plan. */
import { enrolNode } from '#coordinator/enrol-node.ts'
import { openOrganisation } from '#coordinator/open-organisation.ts'
import { slaIn } from '#coordinator/sla/step-sla.ts'
import type { Turn } from '#coordinator/turn.ts'
import { assert } from '#kernel/assert.ts'
import { NANO_PER_USD } from '#kernel/money.ts'
import { createRandom, type Random } from '#kernel/random.ts'
import { consumerAccount, EXTERNAL_TEST } from '#ledger/ledger.ts'
import type { SlaClass } from '#protocol/sla.ts'
import { startAdministration } from './sim-administration.ts'
import { type ClientResult, sendCall } from './sim-client.ts'
import { simCrypto } from './sim-host.ts'
import { type AgentSlot, type GatewaySlot, KEY_SECRET, MODELS, type SimWorld } from './sim-world.ts'

const PROVIDERS = 5
/** The first of its first turn. */
const FOUNDER = 'org_client000'
/** What clients are promised, in turn. */
const CLASSES = ['business', 'none', 'enterprise', 'standard'] as const satisfies SlaClass[]

export const apiKeyOf = (client: number): string => `sk-sim-client-${client}`
export const organisationOf = (client: number): string => `org_client${String(client).padStart(3, '0')}`

/** The network's first turn: organisations with keys and money, and all nodes enrolled. */
export function foundNetwork(turn: Turn, world: SimWorld, operatorsNode?: number): void {
  foundClients(turn, world)
  for (let provider = 0; provider < PROVIDERS; provider++) {
    openOrganisation(turn, { organisationId: `org_provider${provider}`, name: `provider ${provider}` })
  }
  for (const slot of world.agents)
    enrolSlot(turn, slot, slot.index === operatorsNode ? FOUNDER : `org_provider${slot.index % PROVIDERS}`)
}

/** Organisations with keys and money. */
export function foundClients(turn: Turn, world: SimWorld): void {
  const { nowMs } = turn
  for (let client = 0; client < world.plan.clients; client++) {
    const organisationId = organisationOf(client)
    openOrganisation(turn, { organisationId, name: `client ${client}` })
    const apiKey = apiKeyOf(client)
    const hash = Buffer.from(simCrypto.hmacSha256(KEY_SECRET, apiKey)).toString('hex')
    const scopes = ['developer'] as const
    accept(
      turn.organisations({
        kind: 'create_key',
        keyId: `key_${client}`,
        organisationId,
        name: 'sim',
        hash,
        hint: apiKey,
        scopes,
        nowMs,
      }),
    )
    const slaClass = CLASSES[client % CLASSES.length] ?? 'none'
    accept(slaIn(turn, { kind: 'set_class', organisationId, slaClass, nowMs }))
    accept(deposit(turn, { transferId: `seed-${client}`, client, usd: world.plan.balanceUsd }))
  }
}

/** A node of an organisation that is open. */
export function enrolSlot(turn: Turn, slot: AgentSlot, organisationId: string): void {
  const { nowMs } = turn
  const { nodeId, keys, index } = slot
  const tokenHash = `token-${index}`
  accept(turn.fleet({ kind: 'issue_token', tokenHash, organisationId, expiresAtMs: nowMs + 60_000, nowMs }))
  const enrolment = {
    nodeId,
    publicKey: keys.publicKeyHex,
    name: nodeId,
    tokenHash,
    askPerGpuHour: 50_000_000n,
  }
  assert(typeof enrolNode(turn, enrolment) !== 'string', 'a node with a fresh token enrols')
}

export function deposit(
  turn: Turn,
  { transferId, client, usd }: { transferId: string; client: number; usd: number },
) {
  return turn.ledger({
    kind: 'transfer',
    transferId,
    debitAccountId: EXTERNAL_TEST,
    creditAccountId: consumerAccount(organisationOf(client)),
    amount: BigInt(usd) * NANO_PER_USD,
    memo: 'deposit',
    createdAtMs: turn.nowMs,
    nowMs: turn.nowMs,
  })
}

const accept = (refusal: string | null): void => assert(refusal === null, `founding is refused: ${refusal}`)

export interface SimLoad {
  /** Calls sent and not yet over. */
  open(): number
  readonly results: ClientResult[]
  /** Deposits whose acknowledgement reached the operator. */
  readonly acknowledged: Set<string>
  stop(): void
}

export function startLoad(
  world: SimWorld,
  random: Random,
  onResult: (result: ClientResult) => void,
): SimLoad {
  const { plan, scheduler } = world
  const results: ClientResult[] = []
  const acknowledged = new Set<string>()
  const administration = plan.administers
    ? startAdministration(world, createRandom(plan.thinkMs), organisationOf)
    : null
  let open = 0
  let isStopped = false

  function call(client: number): void {
    if (isStopped) return
    const gateway = world.gateways[random.int(world.gateways.length)] as GatewaySlot
    const server = world.network.serverProcess(gateway.address)
    const next = (): void => void scheduler.after(random.int(2 * plan.thinkMs), () => call(client))
    if (!server?.isAlive) return next()
    open++
    const key = administration?.keyOf(client) ?? null
    const check = key && administration?.expect(key, gateway)
    sendCall(
      { scheduler, random, server, deliver: (exchange) => world.network.exchange(gateway.address, exchange) },
      {
        apiKey: key?.apiKey ?? apiKeyOf(client),
        model: MODELS[random.int(MODELS.length)] as string,
        prompt: `question ${random.int(1_000_000)} of client ${client}`,
        maxTokens: 1 + random.int(150),
        isStream: random.chance(3, 4),
        leaveAfterMs: random.chance(plan.leavePercent, 100) ? random.int(4_000) : null,
        drainMs: random.chance(plan.slowReaderPercent, 100) ? 1 + random.int(500) : null,
      },
      (result) => {
        open--
        check?.(result)
        results.push(result)
        onResult(result)
        next()
      },
    )
  }

  /** Deposits a dollar under a fresh id, and asks again under the same until it is acknowledged. */
  function depositOnce(transferId: string, client: number): void {
    if (acknowledged.has(transferId)) return
    const { coordinator } = world
    if (coordinator && world.coordinatorProcess.isAlive) {
      coordinator.execute(
        (turn) => deposit(turn, { transferId, client, usd: 1 }),
        (refusal) => {
          assert(refusal === null, `a deposit is accepted, not ${refusal}`)
          acknowledged.add(transferId)
        },
      )
    }
    scheduler.after(3_000, () => depositOnce(transferId, client))
  }
  function operate(count: number): void {
    if (isStopped) return
    depositOnce(`deposit-${count}`, random.int(plan.clients))
    scheduler.after(5_000 + random.int(20_000), () => operate(count + 1))
  }

  for (let client = 0; client < plan.clients; client++)
    scheduler.after(random.int(10_000), () => call(client))
  operate(0)
  return {
    open: () => open + (administration?.open() ?? 0),
    results,
    acknowledged,
    stop() {
      isStopped = true
      administration?.stop()
    },
  }
}
