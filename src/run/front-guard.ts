/** Who may come through the public door: judged from `Host` and `Origin` before anything else of a call is looked at. */
import type { Clock } from '#host/host.ts'
import { type GuardOptions, refuseHost, refusePage } from '#host/page-guard.ts'
import type { Problem } from '#protocol/problem.ts'

type Headers = Readonly<Record<string, string>>

export interface FrontGuard {
  /** For a call of `/v1`: null, why not, or the origin of a page elsewhere that may call. */
  judgeCall(headers: Headers): Problem | string | null
  /** For an agent, which is no page: null, or why not. */
  refuseLink(headers: Headers): Problem | null
}

export interface FrontGuardOptions {
  /** As of now; asked when a host is new. */
  names(): GuardOptions
  /** Of pages elsewhere that may call `/v1`. */
  readonly pageOrigins: readonly string[]
}

/** A flood of strange hosts must not ask the system for its addresses each time. */
const NAMES_KEPT_MS = 1_000

export function createFrontGuard(clock: Pick<Clock, 'elapsedMs'>, options: FrontGuardOptions): FrontGuard {
  const { pageOrigins } = options
  /** Nearly every call has the host of the one before: that is one comparison. */
  let lastGood: string | undefined
  let known: { readonly names: GuardOptions; readonly readAtMs: number } | null = null
  const names = (): GuardOptions => {
    const nowMs = clock.elapsedMs()
    if (known === null || nowMs - known.readAtMs > NAMES_KEPT_MS) {
      known = { names: options.names(), readAtMs: nowMs }
    }
    return known.names
  }
  const refuseStranger = (host: string): Problem | null => {
    const refused = refuseHost(host, names())
    if (!refused) lastGood = host
    return refused
  }
  const judge = (headers: Headers, origins: readonly string[]): Problem | string | null => {
    const { host, origin, 'sec-fetch-site': site } = headers
    // A request of HTTP/1.0 may have no host; a browser's always has one.
    const stranger = host === lastGood || host === undefined ? null : refuseStranger(host)
    if (stranger) return stranger
    if (origin === undefined && site === undefined) return null
    const claims = { host: host ?? '', origin, site }
    const refused = refusePage(claims, names())
    if (!refused) return null
    return origin !== undefined && !refusePage(claims, { origins }) ? origin : refused
  }
  return {
    judgeCall: (headers) => judge(headers, pageOrigins),
    refuseLink(headers) {
      const judged = judge(headers, [])
      return typeof judged === 'string' ? null : judged
    },
  }
}
