/** Commands and streams that go on while coordinators die: what `takeover.test.ts` proves and `bench/takeover.ts` times. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestPostgres } from '#host/node/test-postgres.ts'
import type { Client } from '#protocol/client.ts'
import { Problem } from '#protocol/problem.ts'
import type { UsageLine } from '#protocol/usage-page.ts'
import { type ChatResult, streamChat } from './chats.ts'
import type { Network } from './rig.ts'

export interface Acknowledged {
  readonly index: number
  readonly sentMs: number
  readonly acknowledgedMs: number
}

export interface CommandLoad {
  /** Deposits that were acknowledged so far, in that order. */
  readonly acknowledged: readonly Acknowledged[]
  /** Resolves with the first deposit that was sent after `instantMs` and is acknowledged. */
  firstAfter(instantMs: number): Promise<Acknowledged>
  /** Sends no more; resolves when each that was sent is acknowledged. */
  stop(): Promise<void>
}

/** Each deposit is one nano-USD more than the one before, so that a sum proves which of them happened. */
export const amountOf = (index: number): bigint => BigInt(index + 1)

/** Doubled with each try, as clients do: thousands that ask again at once would keep the machine busy with refusals. */
const RETRY_MS = 50
const RETRY_MS_MAX = 800
const ATTEMPT_MS_MAX = 10_000
const IN_FLIGHT_MAX = 2_000

/** Sends `perSecond` deposits a second to one account, each again and again under its own id until it is acknowledged. */
export function startCommands(operator: Client, accountId: string, perSecond: number): CommandLoad {
  const acknowledged: Acknowledged[] = []
  const waiting = new Set<{ afterMs: number; resolve: (first: Acknowledged) => void }>()
  const open = new Set<Promise<void>>()
  const startedMs = performance.now()
  let sent = 0
  let isStopped = false

  async function deposit(index: number): Promise<void> {
    const createdAtMs = Date.now()
    for (let retryMs = RETRY_MS; ; retryMs = Math.min(2 * retryMs, RETRY_MS_MAX)) {
      const sentMs = performance.now()
      const problem = await attempt(index, createdAtMs)
      if (problem === null) {
        const first = { index, sentMs, acknowledgedMs: performance.now() }
        acknowledged.push(first)
        for (const waiter of waiting) {
          if (sentMs < waiter.afterMs) continue
          waiting.delete(waiter)
          waiter.resolve(first)
        }
        return
      }
      assert(problem.retriable, `a deposit is refused for good: ${problem.code} ${problem.message}`)
      await sleep(retryMs)
    }
  }

  async function attempt(index: number, createdAtMs: number): Promise<Problem | null> {
    try {
      await operator.depositToAccount(
        {
          params: { accountId },
          body: {
            transferId: `takeover-${index}`,
            createdAtMs,
            amount: amountOf(index),
            memo: 'takeover',
            isTest: true,
          },
        },
        { signal: AbortSignal.timeout(ATTEMPT_MS_MAX) },
      )
      return null
    } catch (error) {
      if (error instanceof Problem) return error
      if (error instanceof Error && error.name === 'TimeoutError')
        return new Problem('network_timeout', 'No answer in time.')
      if (error instanceof TypeError) return new Problem('network_unreachable', 'The connection was cut.')
      throw error
    }
  }

  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => undefined)
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedMs) / 1_000) * perSecond)
    for (; sent < due && open.size < IN_FLIGHT_MAX; sent++) {
      const one: Promise<void> = deposit(sent).finally(() => open.delete(one))
      one.catch(failed.reject)
      open.add(one)
    }
  }, 5)
  return {
    acknowledged,
    firstAfter: (afterMs) =>
      Promise.race([
        failed.promise,
        new Promise<Acknowledged>((resolve) => waiting.add({ afterMs, resolve })),
      ]),
    async stop() {
      if (isStopped) return
      isStopped = true
      clearInterval(timer)
      await Promise.all(open)
    },
  }
}

export interface StreamLoad {
  /** Streams that got their first token before now and have not ended. */
  live(): number
  /** Lets those that began end; resolves with all. */
  stop(): Promise<readonly ChatResult[]>
}

/** Keeps `count` streams under way; when one ends another begins. */
export function startStreams({ openai }: Network, count: number, maxTokens: number): StreamLoad {
  const results: ChatResult[] = []
  let live = 0
  let isStopped = false
  let number = 0
  async function one(): Promise<void> {
    while (!isStopped) {
      let isLive = false
      const result = await streamChat(openai, {
        prompt: `Fish number ${number++}`,
        maxTokens,
        onChunk() {
          if (isLive) return
          isLive = true
          live++
        },
      })
      if (isLive) live--
      results.push(result)
    }
  }
  const running = Array.from({ length: count }, one)
  return {
    live: () => live,
    async stop() {
      isStopped = true
      await Promise.all(running)
      return results
    },
  }
}

export async function founderAccount({ member }: Network): Promise<string> {
  const { items } = await member.listAccounts({ query: { limit: 100 } })
  const account = items.find(({ kind }) => kind === 'consumer')
  assert(account)
  return account.accountId
}

export async function balanceOf({ operator }: Network, accountId: string): Promise<bigint> {
  const { available, held } = await operator.getAccount({ params: { accountId } })
  return available + held
}

/** Asserts that each acknowledged deposit happened once, and nothing else but what `usage` cost. */
export async function proveDeposits(
  network: Network,
  facts: { accountId: string; before: bigint; usage: readonly UsageLine[]; commands: CommandLoad },
): Promise<void> {
  const { accountId, before, usage, commands } = facts
  let expected = before
  for (const { index } of commands.acknowledged) expected += amountOf(index)
  for (const { cost } of usage) expected -= cost
  assert.equal(await balanceOf(network, accountId), expected, 'each deposit happened once')
}

/** How many entries of the journal are of an older epoch than the one before them. */
export const epochsThatFall = (postgres: TestPostgres): string =>
  postgres.sql(
    `select count(*) from (select epoch < lag(epoch) over (order by sequence) as falls
       from shoal.entries where journal = 'journal') as steps where falls`,
  )

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
