/**
 * Callers that ask for whole answers with an idempotency key and try again when they are cut off, while the coordinator's process is
 * killed again and again: whether each gets its answer in the end, and how often one is paid for twice.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { startChaosFleet } from '../../test/chaos/chaos-fleet.ts'
import { proveBooks, settle } from '../../test/e2e/books.ts'
import { type Network, openRig, startNetwork } from '../../test/e2e/rig.ts'
import { none, type ScenarioOptions, type ScenarioResult, tell } from './scenario.ts'
import { shareText } from './share-text.ts'
import { promptAt } from './steady-load.ts'

const AGENTS = 3
const CALLERS = 12
const KILL_EVERY_MS = 5_000
const GIVE_UP_MS = 30_000

interface Call {
  readonly tries: number
  readonly isAnswered: boolean
  readonly completionTokens: number
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
    for (let kill = 0; kill < kills; kill++) {
      await sleep(KILL_EVERY_MS)
      const status = await network.status().catch(() => null)
      if (status) process.kill(status.processes.coordinator, 'SIGKILL')
      tell(`${kill + 1} kills, ${calls.length} calls`)
    }
    await sleep(KILL_EVERY_MS)
    isOver = true
    await Promise.all(calling)
    await fleet.close()
    const answered = calls.filter(({ isAnswered }) => isAnswered)
    const usage = await settle(network, answered.length)
    await proveBooks(network.operator, usage)
    const completed = usage.filter(({ outcome }) => outcome === 'completed').length
    return {
      figures: {
        kills,
        calls: calls.length,
        triedAgain: calls.filter(({ tries }) => tries > 1).length,
        answered: answered.length,
        /** Its end was on the disk, and the caller never saw it. */
        paidAndUnseen: completed - answered.length,
      },
      checks: [
        {
          what: 'calls that got their answer, some by trying again',
          found: shareText(answered.length, calls.length),
          pass: '≥ 99 %',
          isPassed: answered.length >= 0.99 * calls.length,
        },
        none('answers that are not billed', Math.max(0, answered.length - completed)),
      ],
    }
  } finally {
    await rig.dispose()
  }
}

async function call({ ready }: Network, id: string, prompt: string): Promise<Call> {
  const startedMs = performance.now()
  for (let tries = 1; ; tries++) {
    const tokens = await attempt(ready, id, prompt)
    if (tokens !== null) return { tries, isAnswered: true, completionTokens: tokens }
    if (performance.now() - startedMs > GIVE_UP_MS) return { tries, isAnswered: false, completionTokens: 0 }
    await sleep(Math.min(100 * 2 ** tries, 2_000))
  }
}

async function attempt(
  { openaiBaseUrl, apiKey }: Network['ready'],
  id: string,
  prompt: string,
): Promise<number | null> {
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
    const answer = (await response.json()) as { usage?: { completion_tokens: number } }
    return response.ok ? (answer.usage?.completion_tokens ?? null) : null
  } catch {
    return null // Cut off: that is what it tries again for.
  }
}
