/** Passes an exchange on to another server, its body too, piece by piece in both directions. */
import { Agent, request } from 'node:http'
import type { Exchange } from '#host/host.ts'
import type { Problem } from '#protocol/problem.ts'
import { networkProblem, placeOf } from './network-problem.ts'

/** The server, what it is told, and how large a body may be. */
export interface RelayTarget {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly bytesMax: number
}

export interface Relay {
  /**
   * Passes the exchange on. `failed` is called, and nothing was answered, when that server does not answer; a body
   * beyond `bytesMax` is such a failure too.
   */
  pass(exchange: Exchange, to: RelayTarget, failed: (problem: Problem) => void): void
  close(): void
}

/** Written anew by each connection. */
const OF_CONNECTION = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'date'])

export function createRelay(): Relay {
  const agent = new Agent({ keepAlive: true })
  return {
    pass(exchange, { url, headers, bytesMax }, failed) {
      let isOver = false
      const passed = request(`${url}${exchange.target}`, { method: exchange.method, headers, agent })
      const end = (problem: Problem): void => {
        if (isOver) return
        isOver = true
        passed.destroy()
        failed(problem)
      }
      passed.once('error', (error) => end(networkProblem(error, placeOf(new URL(url)))))
      passed.once('response', (answer) => {
        const { statusCode = 502, headers: given } = answer
        exchange.start(statusCode, answered(given))
        exchange.onDrain(() => answer.resume())
        answer.on('data', (chunk: Buffer) => {
          if (!exchange.write(chunk)) answer.pause()
        })
        answer.once('end', () => {
          isOver = true
          exchange.end()
        })
        // Cut short: a truncated answer must not look complete.
        answer.once('error', () => {
          isOver = true
          exchange.abort()
        })
      })
      exchange.onClose((finished) => {
        isOver = true
        if (!finished) passed.destroy()
      })
      const flow = exchange.streamBody?.(bytesMax, {
        onChunk: (chunk) => passed.write(chunk),
        onEnd(problem) {
          if (problem) end(problem)
          else passed.end()
        },
      })
      if (flow) passed.on('drain', () => flow.resume())
      else
        exchange.readBody(bytesMax, (problem, body) => {
          if (problem) end(problem)
          else passed.end(body)
        })
    },
    close: () => agent.destroy(),
  }
}

const answered = (headers: NodeJS.Dict<string | string[]>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || OF_CONNECTION.has(name) ? [] : [[name, String(value)]],
    ),
  )
