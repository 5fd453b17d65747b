/** For tests of routing: nodes that are whatever a test says, and requests to them. */
import type { ModelCapability } from '#protocol/capability.ts'
import type { Offer } from '../node-connection.ts'
import type { SeatAsk } from './choose-seat.ts'
import type { ModelSeats } from './model-seats.ts'
import { Placement } from './placement.ts'
import { cutsOf } from './prefix-cuts.ts'
import type { Seat } from './seat.ts'
import { SeatTable, type TableNode } from './seat-table.ts'

export class TestNode implements TableNode {
  readonly nodeId: string
  status: 'online' | 'suspect' = 'online'
  isDraining = false
  isQuiet = false
  roundTripMs = 10
  open = 0
  offers: ReadonlyMap<string, Offer>

  constructor(nodeId: string, part: Partial<ModelCapability> = {}) {
    this.nodeId = nodeId
    const model = {
      id: 'model',
      fingerprint: 'f',
      tasks: ['chat' as const],
      contextTokens: 8_192,
      slots: 4,
      prefillTokensPerSecond: 1_000,
      decodeTokensPerSecond: 100,
      decodeTokensPerSecondSingle: 50,
      ...part,
    }
    this.offers = new Map([[model.id, { model, price: { promptPerMillion: 1n, completionPerMillion: 1n } }]])
  }

  outstanding(): number {
    return this.open
  }
}

export type TestTable = ModelSeats<TestNode>

const facts = { organisationId: 'o', nodeClass: 'community', region: null, keepsNoPrompts: false } as const

/** All serve `model`, and have been in for long. */
export function tableOf(nodes: readonly TestNode[], seats = new SeatTable<TestNode>()): TestTable {
  seats.rebuild(nodes, ({ nodeId }) => ({ nodeId, ...facts }), -1_000_000)
  const table = seats.model('model')
  if (!table) throw new Error('no node serves the model')
  return table
}

export const seatOf = (table: TestTable, nodeId: string): Seat<TestNode> => {
  const found = table.seats.find((seat) => seat.node.nodeId === nodeId)
  if (!found) throw new Error(`${nodeId} has no seat`)
  return found
}

/** A chat of these texts, callers and answers in turn. */
export function askFor(texts: readonly string[], part: Partial<SeatAsk<TestNode>> = {}): SeatAsk<TestNode> {
  const prompt = cutsOf({
    kind: 'chat',
    requestId: 'r',
    model: 'model',
    messages: texts.map((content, index) => ({ role: index % 2 === 0 ? 'user' : 'assistant', content })),
    maxTokens: 100,
    sampling: { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 },
  })
  return {
    organisationId: 'org',
    prompt,
    promptTokens: prompt.tokensTotal,
    completionTokens: 100,
    mayTry: true,
    sort: null,
    accepts: () => true,
    ...part,
  }
}

/** A request begins on the node, which has it open. */
export function begin(
  table: TestTable,
  seat: Seat<TestNode>,
  { ask = askFor(['hello']), nowMs = 0 }: { ask?: SeatAsk<TestNode>; nowMs?: number } = {},
): Placement<TestNode> {
  const placement = new Placement(table, { seat, warmTokens: 0 }, ask, nowMs)
  seat.node.open++
  return placement
}

/** One request that the node answers, or fails. */
export function serve(
  table: TestTable,
  seat: Seat<TestNode>,
  how: { nowMs: number; tookMs?: number; fails?: boolean; ask?: SeatAsk<TestNode> },
) {
  const { nowMs, tookMs = 100, fails = false } = how
  const placement = begin(table, seat, { nowMs, ...(how.ask && { ask: how.ask }) })
  const begun = fails ? null : placement.begin(nowMs + tookMs)
  seat.node.open--
  return placement.end(fails ? 'failed' : 'completed', fails ? 0 : 20, nowMs + tookMs) ?? begun
}
