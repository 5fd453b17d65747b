/**
 * Callers that ask for whole answers with an idempotency key and try again when they are cut off, while the coordinator's process is
 * killed again and again: whether each gets its answer in the end and pays for it what it was told, and how often a try is paid for
 * whose answer nobody saw.
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { UsageLine } from '#protocol/usage-page.ts'
import { startChaosFleet } from '../../test/chaos/chaos-fleet.ts'
import { proveBooks, settle } from '../../test/e2e/books.ts'
import { extensionOf, requestIdOf } from '../../test/e2e/chats.ts'
import { type Network, openRig, startNetwork } from '../../test/e2e/rig.ts'
import { none, type ScenarioOptions, type ScenarioResult, tell } from './scenario.ts'
import { shareText } from './share-text.ts'
import { promptAt } from './steady-load.ts'

const AGENTS = 3
const CALLERS = 12
const KILL_EVERY_MS = 5_000
const GIVE_UP_MS = 30_000

/** An answer that its caller got. */
export interface Taken {
  readonly requestId: string
  readonly promptTokens: number
  readonly completionTokens: number
  readonly cost: bigint
}

interface Call {
  readonly tries: number
  /** `null` when it gave up. */
  readonly taken: Taken | null
}

export async function retryingCallers({ seed, isQuick }: ScenarioOptions): Promise<ScenarioResult> {
  const kills = isQuick ? 3 : 20
  const rig = openRig()
  try {
    const network = await startNetwork(rig, rig.path('data'), ['--no-agent'])
    const fleet = await startChaosFleet({ rig, network, count: AGENTS, seed })
    const calls: Call[] = []
    let isOver = false
    const calling = Array.from({ length: CALLERS }, async (_, caller) => {
      for (let turn = 0; !isOver; turn++) {
        calls.push(await call(network, `caller-${caller}-${turn}`, promptAt(caller * 50 + (turn % 50))))
        await sleep(50)
      }
    })
    let sent = 0
    for (let turn = 0; sent < kills && turn < 2 * kills; turn++) {
      await sleep(KILL_EVERY_MS)
      // While it is away there is nobody to kill.
      const status = await network.status().catch(() => null)
      if (!status) continue
      process.kill(status.processes.coordinator, 'SIGKILL')
      sent++
      tell(`${sent} kills, ${calls.length} calls`)
    }
    await sleep(KILL_EVERY_MS)
    isOver = true
    await Promise.all(calling)
    await fleet.close()
    const answered = calls.flatMap(({ taken }) => taken ?? [])
    const usage = await settle(network, answered.length)
    await proveBooks(network.operator, usage)
    const { unbilled, unseen } = compareBills(answered, usage)
    return {
      figures: {
        kills: sent,
        calls: calls.length,
        triedAgain: calls.filter(({ tries }) => tries > 1).length,
        answered: answered.length,
        /** Its end was on the disk, and the caller never saw it. */
        paidAndUnseen: unseen,
      },
      checks: [
        {
          what: 'calls that got their answer, some by trying again',
          found: shareText(answered.length, calls.length),
          pass: '≥ 99 %',
          isPassed: answered.length >= 0.99 * calls.length,
        },
        none('answers that are not billed once, as their caller was told', unbilled),
        {
          what: 'kills of the coordinator',
          found: String(sent),
          pass: String(kills),
          isPassed: sent === kills,
        },
      ],
    }
  } finally {
    await rig.dispose()
  }
}

async function call({ ready }: Network, id: string, prompt: string): Promise<Call> {
  const startedMs = performance.now()
  for (let tries = 1; ; tries++) {
    const taken = await attempt(ready, id, prompt)
    if (taken !== null || performance.now() - startedMs > GIVE_UP_MS) return { tries, taken }
    await sleep(Math.min(100 * 2 ** tries, 2_000))
  }
}

/** Throws for an answer that does not tell what it cost: that is no reason to try again. */
function takenOf(answer: object): Taken {
  const { id, usage } = answer as {
    id?: string
    usage?: { prompt_tokens: number; completion_tokens: number }
  }
  const cost = extensionOf(answer)?.cost_nano_usd
  assert(
    id && usage && cost !== undefined,
    `an answer without its number, tokens or cost: ${JSON.stringify(answer)}`,
  )
  return {
    requestId: requestIdOf(id),
    promptTokens: usage.prompt_tokens,
    completionTokens: usage.completion_tokens,
    cost: BigInt(cost),
  }
}

/** Answer by answer: a try that was paid and never seen must not hide one that was seen and not billed. */
export function compareBills(
  answered: readonly Taken[],
  usage: readonly UsageLine[],
): { unbilled: number; unseen: number } {
  const lines = Map.groupBy(usage, ({ requestId }) => requestId)
  const unbilled = answered.filter(({ requestId, promptTokens, completionTokens, cost }) => {
    const [line, ...more] = lines.get(requestId) ?? []
    return !(
      line?.outcome === 'completed' &&
      line.promptTokens === promptTokens &&
      line.completionTokens === completionTokens &&
      line.cost === cost &&
      more.length === 0
    )
  })
  const seen = new Set(answered.map(({ requestId }) => requestId))
  const unseen = usage.filter(({ outcome, requestId }) => outcome === 'completed' && !seen.has(requestId))
  // Two callers with one answer have one bill for both.
  return { unbilled: unbilled.length + answered.length - seen.size, unseen: unseen.length }
}

async function attempt(
  { openaiBaseUrl, apiKey }: Network['ready'],
  id: string,
  prompt: string,
): Promise<Taken | null> {
  try {
    const response = await fetch(`${openaiBaseUrl}/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${apiKey}`,
        'content-type': 'application/json',
        'idempotency-key': id,
      },
      body: JSON.stringify({
        model: 'tiny',
        messages: [{ role: 'user', content: prompt }],
        max_tokens: 64,
        temperature: 0,
      }),
      signal: AbortSignal.timeout(GIVE_UP_MS),
    })
    const answer = (await response.json()) as object
    return response.ok ? takenOf(answer) : null
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error
    return null // Cut off: that is what it tries again for.
  }
}
