/**
 * What a well-behaved client feels: a call of `/api/health` and a small chat every 20 ms, timed in a thread of its own,
 * so that whatever else this process does is not in the figures.
 */
import { Agent, request } from 'node:http'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

export interface Latencies {
  readonly count: number
  readonly failed: number
  /** How long each call took that was answered, and how long the oldest had waited for each that was left out. */
  readonly ms: readonly number[]
}
/** Of calls that took this long, the time within which `share` of them were answered. */
export function percentileMs(ms: readonly number[], share: number): number {
  const sorted = ms.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
export interface GoodTraffic {
  /** Of health calls and chats since the last time. */
  take(): Promise<{ health: Latencies; chat: Latencies }>
  end(): Promise<void>
}
interface Place {
  readonly port: number
  readonly key: string
  readonly model: string
}

const EVERY_MS = 20
/** Under way at once; one more is left out rather than queued, and felt as long as the oldest of them. */
const UNDER_WAY_MAX = 16

export function startGoodTraffic(place: Place): GoodTraffic {
  const worker = new Worker(new URL(import.meta.url), { workerData: place })
  return {
    take() {
      const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<GoodTraffic['take']>>>()
      worker.once('message', resolve)
      worker.once('error', reject)
      worker.postMessage('take')
      return promise.finally(() => worker.off('error', reject))
    },
    async end() {
      await worker.terminate()
    },
  }
}

function run({ port, key, model }: Place): void {
  const agent = new Agent({ keepAlive: true, maxSockets: UNDER_WAY_MAX })
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const chat = JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }], max_tokens: 1 })
  const seen = { health: newSamples(), chat: newSamples() }
  const send = (samples: Samples, path: string, body: string | null): void => {
    const startedMs = performance.now()
    if (samples.underWay.size >= UNDER_WAY_MAX) return leaveOut(samples, startedMs)
    const call = { startedMs }
    samples.underWay.add(call)
    const method = body === null ? 'GET' : 'POST'
    const settle = (isGood: boolean): void => {
      samples.underWay.delete(call)
      if (isGood) samples.ms.push(performance.now() - startedMs)
      else samples.failed++
    }
    const sent = request({ agent, port, host: '127.0.0.1', path, method, headers }, (response) => {
      response.resume()
      response.once('end', () => settle(response.statusCode === 200))
    })
    sent.once('error', () => settle(false))
    sent.end(body ?? undefined)
  }
  setInterval(() => {
    send(seen.health, '/api/health', null)
    send(seen.chat, '/v1/chat/completions', chat)
  }, EVERY_MS)
  parentPort?.on('message', () =>
    parentPort?.postMessage({ health: takeFrom(seen.health), chat: takeFrom(seen.chat) }),
  )
}

export interface Samples {
  ms: number[]
  failed: number
  /** Oldest first. */
  readonly underWay: Set<{ readonly startedMs: number }>
}
export const newSamples = (): Samples => ({ ms: [], failed: 0, underWay: new Set() })

/** A stall is felt by all who would have called, not by those alone who had. */
export function leaveOut({ ms, underWay }: Samples, nowMs: number): void {
  const [oldest] = underWay
  ms.push(nowMs - (oldest?.startedMs ?? nowMs))
}

function takeFrom(samples: Samples): Latencies {
  const taken = { count: samples.ms.length, failed: samples.failed, ms: samples.ms }
  samples.ms = []
  samples.failed = 0
  return taken
}

if (!isMainThread) run(workerData as Place)
