import type { Clock } from '#host/host.ts'
import type { Fetch } from '#protocol/client.ts'
import { Problem } from '#protocol/problem.ts'

export interface FetchLimits {
  readonly timeoutMs: number
  readonly bytesMax: number
}

/** Status, whole text and headers of an answer. Rejects with a `Problem` when none comes in time, or one beyond `bytesMax`. */
export async function fetchText(
  parts: { readonly fetch: Fetch; readonly clock: Pick<Clock, 'after'> },
  { url, headers = {} }: { readonly url: URL; readonly headers?: Readonly<Record<string, string>> },
  { timeoutMs, bytesMax }: FetchLimits,
): Promise<{ status: number; text: string; headers: Headers }> {
  const controller = new AbortController()
  const late = new Problem('network_timeout', `${url.host} did not answer within ${timeoutMs / 1_000} s.`)
  const deadline = parts.clock.after(timeoutMs, () => controller.abort(late))
  try {
    const response = await parts.fetch(new Request(url, { headers, signal: controller.signal }))
    const text = await readText(response, { host: url.host, bytesMax })
    return { status: response.status, text, headers: response.headers }
  } finally {
    deadline.cancel()
  }
}

async function readText(
  { body }: Response,
  { host, bytesMax }: { host: string; bytesMax: number },
): Promise<string> {
  if (body === null) return ''
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > bytesMax)
      throw new Problem('body_too_large', `${host} answers with more than the ${bytesMax} bytes expected.`)
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}
