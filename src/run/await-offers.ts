import type { Clock } from '#host/host.ts'
import type { Fetch } from '#protocol/client.ts'
import { ModelList } from '#protocol/openai-reply.ts'
import type { Ready } from './cell-keeper.ts'

const POLL_MS = 50
const TRIES_MAX = 200

/**
 * Resolves once the gateway offers `models`: a node that has just been admitted may call itself serving a moment before
 * the gateway has read what it serves. False when that does not come to pass, as the cell died meanwhile.
 */
export async function awaitOffers(
  { fetch, clock }: { fetch: Fetch; clock: Pick<Clock, 'after'> },
  { openaiBaseUrl, apiKey }: Ready,
  models: readonly string[],
): Promise<boolean> {
  const headers = { authorization: `Bearer ${apiKey}` }
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const offered = await fetch(new Request(`${openaiBaseUrl}/models`, { headers })).then(
      readIds,
      (): string[] => [],
    )
    if (models.every((id) => offered.includes(id))) return true
    await new Promise<void>((resolve) => void clock.after(POLL_MS, resolve))
  }
  return false
}

async function readIds(response: Response): Promise<string[]> {
  const list = ModelList.safeParse(await response.json().catch(() => null))
  return list.success ? list.data.data.filter(({ status }) => status !== 'cold').map(({ id }) => id) : []
}
