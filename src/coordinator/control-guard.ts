import { type GuardOptions, refuseHost, refusePage } from '#host/page-guard.ts'

/** Throws `forbidden_origin` for a request that a page of another site may have caused. */
export function guardRequest({ headers, method, url }: Request, options: GuardOptions): void {
  const host = headers.get('host') ?? new URL(url).host
  const stranger = refuseHost(host, options)
  if (stranger) throw stranger
  // What it answers to these no foreign page can read.
  if (method === 'GET' || method === 'HEAD') return
  const origin = headers.get('origin') ?? undefined
  const site = headers.get('sec-fetch-site') ?? undefined
  const refused = refusePage({ host, origin, site }, options)
  if (refused) throw refused
}
