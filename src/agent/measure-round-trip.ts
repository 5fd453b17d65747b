import type { Clock } from '#host/host.ts'
import { createClient, type Fetch } from '#protocol/client.ts'
import { routes } from '#protocol/routes.ts'

const TRIES = 5

/** Milliseconds to the network and back, the quickest of a few tries; `null` when it did not answer. */
export async function measureRoundTrip(
  apiUrl: string,
  { fetch, clock }: { fetch: Fetch; clock: Pick<Clock, 'elapsedMs'> },
): Promise<number | null> {
  const client = createClient(routes, { baseUrl: apiUrl, fetch })
  let quickest: number | null = null
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const sentMs = clock.elapsedMs()
    try {
      await client.getHealth()
    } catch {
      continue // The other tries tell; a network that is away is the connection's business.
    }
    const tookMs = clock.elapsedMs() - sentMs
    quickest = quickest === null ? tookMs : Math.min(quickest, tookMs)
  }
  return quickest === null ? null : Math.round(quickest * 100) / 100
}
