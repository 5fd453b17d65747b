/**
 * Chats of many turns over simulated nodes with caches of limited size, routed by the gateway's own code, by chance or by
 * the fewest requests under way: how much of their prompts nodes need not read again, and how even their work is.
 */
import type { Offer } from '#gateway/node-connection.ts'
import { chooseSeat, type SeatAsk } from '#gateway/routing/choose-seat.ts'
import type { ModelSeats } from '#gateway/routing/model-seats.ts'
import { Placement } from '#gateway/routing/placement.ts'
import { cutsOf } from '#gateway/routing/prefix-cuts.ts'
import { SeatTable, type TableNode } from '#gateway/routing/seat-table.ts'
import { assert } from '#kernel/assert.ts'
import { createRandom, type Random } from '#kernel/random.ts'
import { type Chat, type ChatLoadPlan, drawChats, messagesOf } from './chat-load.ts'
import { BlockIds, PrefixCache } from './prefix-cache.ts'
import { Scheduler } from './scheduler.ts'

export type Policy = 'router' | 'random' | 'least_outstanding'

export interface AffinityPlan {
  readonly nodes: number
  readonly slots: number
  readonly prefillTokensPerSecond: number
  readonly decodeTokensPerSecond: number
  readonly decodeTokensPerSecondSingle: number
  /** Of each node's cache. */
  readonly cacheTokens: number
  readonly load?: ChatLoadPlan
}

/** Eight nodes that are busy for about half of their time. */
export const affinityPlan: AffinityPlan = {
  nodes: 8,
  slots: 8,
  prefillTokensPerSecond: 2_500,
  decodeTokensPerSecond: 240,
  decodeTokensPerSecondSingle: 60,
  cacheTokens: 131_072,
}

export interface AffinityResult {
  readonly policy: Policy
  readonly requests: number
  readonly promptTokens: number
  /** Tokens of prompts that nodes had in their caches. */
  readonly savedTokens: number
  /** What one cache for all, without a limit, would have saved: more than any router can. */
  readonly oracleTokens: number
  /** Work, in time, of the node with most over the mean. */
  readonly imbalance: number
  readonly busyShare: number
  readonly firstTokenMsP50: number
  readonly firstTokenMsP99: number
}

const MODEL = 'model'

export async function runAffinity(
  policy: Policy,
  { seed, plan = affinityPlan }: { seed: number; plan?: AffinityPlan },
): Promise<AffinityResult> {
  const scheduler = new Scheduler(createRandom(seed))
  const run = new AffinityRun(policy, plan, scheduler, createRandom(seed + 1))
  for (const chat of drawChats(seed, plan.load)) scheduler.after(chat.beginsAtMs, () => run.turn(chat, 0))
  await scheduler.run(Number.MAX_SAFE_INTEGER, () => run.isOver())
  return run.result()
}

/** A machine: reads one prompt after the other, and generates all its answers at once. */
class Machine implements TableNode {
  readonly nodeId: string
  readonly status = 'online'
  readonly isDraining = false
  readonly isQuiet = false
  readonly roundTripMs = 20
  readonly offers: ReadonlyMap<string, Offer>
  readonly cache: PrefixCache
  readsUntilMs = 0
  open = 0
  workMs = 0

  constructor(nodeId: string, plan: AffinityPlan) {
    this.nodeId = nodeId
    this.cache = new PrefixCache(plan.cacheTokens)
    const model = {
      id: MODEL,
      fingerprint: MODEL,
      tasks: ['chat' as const],
      contextTokens: plan.cacheTokens / plan.slots,
      slots: plan.slots,
      prefillTokensPerSecond: plan.prefillTokensPerSecond,
      decodeTokensPerSecond: plan.decodeTokensPerSecond,
      decodeTokensPerSecondSingle: plan.decodeTokensPerSecondSingle,
    }
    this.offers = new Map([[MODEL, { model, price: { promptPerMillion: 1n, completionPerMillion: 1n } }]])
  }

  outstanding(): number {
    return this.open
  }
}

class AffinityRun {
  readonly #policy: Policy
  readonly #plan: AffinityPlan
  readonly #scheduler: Scheduler
  readonly #random: Random
  readonly #machines: readonly Machine[]
  readonly #table: ModelSeats<Machine>
  readonly #ids = new BlockIds()
  readonly #oracle = new PrefixCache(Number.MAX_SAFE_INTEGER)
  readonly #firstTokenMs: number[] = []
  readonly #waiting: { chat: Chat; index: number; sinceMs: number }[] = []
  #chatsOpen = 0
  #promptTokens = 0
  #savedTokens = 0
  #oracleTokens = 0

  constructor(policy: Policy, plan: AffinityPlan, scheduler: Scheduler, random: Random) {
    this.#policy = policy
    this.#plan = plan
    this.#scheduler = scheduler
    this.#random = random
    this.#machines = Array.from({ length: plan.nodes }, (_, index) => new Machine(`node${index}`, plan))
    const table = new SeatTable<Machine>()
    const facts = { organisationId: '', nodeClass: 'community', region: null, keepsNoPrompts: false } as const
    table.rebuild(this.#machines, ({ nodeId }) => ({ nodeId, ...facts }), 0)
    const seats = table.model(MODEL)
    assert(seats, 'the nodes serve the model')
    this.#table = seats
  }

  isOver = (): boolean => this.#firstTokenMs.length > 0 && this.#chatsOpen === 0

  turn(chat: Chat, index: number): void {
    if (index === 0) this.#chatsOpen++
    this.#waiting.push({ chat, index, sinceMs: this.#scheduler.nowMs() })
    this.#pump()
  }

  #pump(): void {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      if (!this.#place(next.chat, next.index, next.sinceMs)) return
      this.#waiting.shift()
    }
  }

  #place(chat: Chat, index: number, sinceMs: number): boolean {
    const nowMs = this.#scheduler.nowMs()
    const turn = chat.turns[index]
    assert(turn, 'the chat has such a turn')
    const messages = messagesOf(chat, index)
    const prompt = cutsOf({
      kind: 'chat',
      requestId: 'r',
      model: MODEL,
      messages,
      maxTokens: 1_000,
      sampling: { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 },
    })
    const ask: SeatAsk<Machine> = {
      organisationId: '',
      prompt,
      promptTokens: prompt.tokensTotal,
      completionTokens: this.#table.completionTokens ?? 1_000,
      mayTry: true,
      sort: null,
      accepts: () => true,
    }
    const chosen = this.#choose(ask, nowMs)
    if (!chosen) return false
    const placement = new Placement(this.#table, chosen, ask, nowMs)
    const machine = chosen.seat.node
    const text = messages.map(({ content }) => content).join('')
    const firstMs = this.#read(machine, text, nowMs)
    const answerTokens = Math.ceil(turn.answer.length / 4)
    machine.open++
    this.#scheduler.after(firstMs - nowMs, () => {
      placement.begin(this.#scheduler.nowMs())
      this.#firstTokenMs.push(this.#scheduler.nowMs() - sinceMs)
      this.#scheduler.after(this.#decodeMs(machine, answerTokens), () => {
        machine.cache.keep(this.#ids.of(text + turn.answer))
        this.#oracle.keep(this.#ids.of(text + turn.answer))
        machine.open--
        placement.end('completed', answerTokens, this.#scheduler.nowMs())
        prompt.add(turn.answer)
        placement.answered(prompt, 'chat')
        this.#next(chat, index + 1)
        this.#pump()
      })
    })
    return true
  }

  #next(chat: Chat, index: number): void {
    const turn = chat.turns[index]
    if (!turn) this.#chatsOpen--
    else this.#scheduler.after(turn.pauseMs, () => this.turn(chat, index))
  }

  #choose(ask: SeatAsk<Machine>, nowMs: number) {
    const { seats } = this.#table
    const random = this.#random
    if (this.#policy === 'router') return chooseSeat(this.#table, ask, { nowMs, random })
    const free = seats.filter((seat) => seat.hasRoom(nowMs))
    const least = Math.min(...free.map(({ node }) => node.open))
    const fit = this.#policy === 'random' ? free : free.filter(({ node }) => node.open === least)
    const seat = fit[random.int(Math.max(1, fit.length))]
    return seat ? { seat, warmTokens: 0 } : null
  }

  /** When the prompt is read. */
  #read(machine: Machine, text: string, nowMs: number): number {
    const blocks = this.#ids.of(text)
    const promptTokens = Math.ceil(text.length / 4)
    const warm = machine.cache.warmTokens(blocks)
    this.#promptTokens += promptTokens
    this.#savedTokens += warm
    this.#oracleTokens += this.#oracle.warmTokens(blocks)
    machine.cache.keep(blocks)
    this.#oracle.keep(blocks)
    const readMs = ((promptTokens - warm) / this.#plan.prefillTokensPerSecond) * 1_000
    machine.workMs += readMs
    machine.readsUntilMs = Math.max(nowMs, machine.readsUntilMs) + readMs
    return machine.readsUntilMs + machine.roundTripMs
  }

  #decodeMs(machine: Machine, tokens: number): number {
    const { decodeTokensPerSecond, decodeTokensPerSecondSingle } = this.#plan
    machine.workMs += (tokens / decodeTokensPerSecond) * 1_000
    return (tokens / Math.min(decodeTokensPerSecondSingle, decodeTokensPerSecond / machine.open)) * 1_000
  }

  result(): AffinityResult {
    const works = this.#machines.map(({ workMs }) => workMs)
    const total = works.reduce((sum, work) => sum + work, 0)
    const times = this.#firstTokenMs.toSorted((a, b) => a - b)
    return {
      policy: this.#policy,
      requests: times.length,
      promptTokens: this.#promptTokens,
      savedTokens: this.#savedTokens,
      oracleTokens: this.#oracleTokens,
      imbalance: (Math.max(...works) * works.length) / total,
      busyShare: total / works.length / this.#scheduler.nowMs(),
      firstTokenMsP50: times[Math.floor(times.length * 0.5)] ?? 0,
      firstTokenMsP99: times[Math.floor(times.length * 0.99)] ?? 0,
    }
  }
}
