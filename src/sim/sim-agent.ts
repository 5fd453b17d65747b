/** The real agent of a provider's simulated machine, on an engine whose every token is known. */
import { startAgent } from '#agent/agent.ts'
import { openReceiptBook } from '#agent/receipts/receipt-book.ts'
import type { Host } from '#host/host.ts'
import type { VersionRange } from '#protocol/agent-version.ts'
import { fingerprintOf } from '#protocol/network-key.ts'
import type { Problem } from '#protocol/problem.ts'
import { type SimManners, takesPartInAudits } from './sim-audited.ts'
import { createSimEngine } from './sim-engine.ts'
import { createSimHealth } from './sim-health.ts'
import { simCrypto } from './sim-host.ts'
import type { SimPlan } from './sim-plan.ts'
import { createSimProver, type ProverManner } from './sim-prover.ts'
import type { AgentSlot } from './sim-world.ts'

/** What a node does otherwise than its slot and the plan say. */
export interface SimAgentOptions {
  readonly msPerToken?: number
  readonly prefillMs?: number
  readonly prefillMsPerToken?: number
  readonly tokensPerDelta?: number
  /** Of its engine, by id; drawn by its number when left out. */
  readonly models?: readonly string[]
  readonly slots?: number
  /** Of its prompts, how many it fails. */
  readonly sickPercent?: number
  readonly agentVersion?: string
  /** As a real agent's unless given. */
  readonly heartbeatMs?: number
  readonly versions?: VersionRange
  /** Its devices never fall ill; those of a few nodes do now and then. */
  readonly staysWell?: boolean
  /** How it answers when it is asked to prove its hardware. */
  readonly proves?: ProverManner
  /** How it lies; honest unless given. */
  readonly manners?: SimManners
  /** Others may lie. */
  readonly isAmongLiars?: boolean
}

interface Parts extends SimAgentOptions {
  readonly plan: SimPlan
  /** All models that there are. */
  readonly catalogue: readonly string[]
  /** Of the network that it pins. */
  readonly networkKey: string
  readonly onRefused: (problem: Problem) => void
}

const SLOTS = 4
const CONTEXT_TOKENS = 4_096

/** Starts it in the slot's process; the slot knows it and its engine from then on. */
export function startSimAgent(host: Host, slot: AgentSlot, parts: Parts): void {
  const { plan, agentVersion = 'sim', versions } = parts
  const { msPerToken = slot.msPerToken, prefillMs = 20 + 10 * msPerToken } = parts
  const models = (parts.models ?? modelsOf(slot, parts)).map((id) => ({
    id,
    tasks: ['chat', 'completion'] as const,
    contextTokens: CONTEXT_TOKENS,
    slots: parts.slots ?? SLOTS,
    fingerprint: id,
    resumes: true,
  }))
  const honest = createSimEngine(host.clock, {
    models,
    msPerToken,
    prefillMs,
    hasCache: true,
    moods: { ...moodsOf(plan, slot), ...(parts.sickPercent && { sickPercent: parts.sickPercent }) },
    ...(parts.prefillMsPerToken && { prefillMsPerToken: parts.prefillMsPerToken }),
    ...(parts.tokensPerDelta && { tokensPerDelta: parts.tokensPerDelta }),
    ...(parts.isAmongLiars && { isAmongLiars: true }),
  })
  const { manners, isAmongLiars: embeds = false } = parts
  const engine = takesPartInAudits(honest, host.clock, { embeds, ...(manners && { manners }) })
  const decode = 1_000 / msPerToken
  slot.engine = engine
  slot.agent = startAgent(host, engine, {
    nodeId: slot.nodeId,
    keys: slot.keys,
    gatewayUrl: `ws://${slot.gateway.address}/agent`,
    agentVersion,
    ...(versions && { versions }),
    ...(parts.heartbeatMs && { heartbeatMs: parts.heartbeatMs }),
    receipts: openReceiptBook(host),
    health: createSimHealth(host.clock, { index: slot.index, staysWell: parts.staysWell ?? false }),
    prover: createSimProver(host.clock, {
      manner: parts.proves ?? mannerOf(plan, slot),
      ...(plan.proofs && { solveMs: plan.proofs.solveMs }),
    }),
    pin: { fingerprint: fingerprintOf(simCrypto, parts.networkKey), allowsUnproven: false },
    askPerGpuHour: BigInt((50_000_000 + slot.index * 1_000_000) * (plan.askFactor ?? 1)),
    // Some owners ask less for what their engines have read before.
    capability: { ...machine, agentVersion, cachedDiscountBps: (slot.index % 3) * 2_500 },
    speedOf: () => ({
      prefillTokensPerSecond: decode * 10,
      decodeTokensPerSecond: decode * 4,
      decodeTokensPerSecondSingle: decode,
    }),
    onRefused: parts.onRefused,
  })
}

/** By another measure than its gateway: every gateway has nodes of every model. */
function modelsOf({ index }: AgentSlot, { plan, catalogue }: Parts): readonly string[] {
  const kind = Math.floor(index / plan.gateways) % 3
  return catalogue.filter((_, model) => kind !== model)
}

/** Of a sick node, which fails most of what it gets. */
const SICK_PERCENT = 70
const SICK_EVERY = 9

const moodsOf = ({ isMoody = false }: SimPlan, { index, nodeId }: AgentSlot) => ({
  latePercent: isMoody ? 3 : 0,
  sickPercent: isMoody && index % SICK_EVERY === 4 ? SICK_PERCENT : 0,
  name: nodeId,
})

/** In a network with forgers, which ones. */
export const mannerOf = (
  { hasForgers = false }: SimPlan,
  { index }: Pick<AgentSlot, 'index'>,
): ProverManner =>
  hasForgers && index % FORGES_EVERY === 3 ? (forgeries[index % forgeries.length] ?? 'forges') : 'honest'
const FORGES_EVERY = 8
const forgeries: readonly ProverManner[] = ['forges', 'lateForges', 'silent']

const machine = {
  osName: 'simulated',
  cpu: { model: 'simulated', cores: 8 },
  memoryMib: 16_384,
  diskFreeMib: 100_000,
  gpus: [],
  powerWatts: null,
  engines: ['simulated'],
  models: [],
  problems: [],
}
