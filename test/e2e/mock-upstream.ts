/** A server with OpenAI's API whose answers a test words: `tokens=N size=BYTES pause=MS` in the last message, then `stay` or `crash`; a few otherwise. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface MockUpstream {
  readonly baseUrl: string
  /** Told when a caller leaves before its answer is over, by `performance.now`, with the name that its prompt gives. */
  onLeft: (name: string, atMs: number) => void
  /** Answers under way. */
  readonly open: () => number
  /** Tokens of all long answers so far. */
  readonly written: () => number
  close(): Promise<void>
}

const MODEL = 'mock'

export async function openMockUpstream(): Promise<MockUpstream> {
  let open = 0
  const count = { written: 0 }
  const upstream = { onLeft: (_name: string, _atMs: number): void => undefined }
  const server = createServer((request, response) => {
    if (request.url === '/v1/models') {
      response.setHeader('content-type', 'application/json')
      response.end(
        JSON.stringify({ object: 'list', data: [{ id: MODEL, object: 'model', max_model_len: 100_000 }] }),
      )
      return
    }
    open++
    void answer(request, response, count, (name, atMs) => upstream.onLeft(name, atMs)).finally(
      () => void open--,
    )
  })
  server.keepAliveTimeout = 60_000
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return Object.assign(upstream, {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    open: () => open,
    written: () => count.written,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  })
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  count: { written: number },
  onLeft: (name: string, atMs: number) => void,
): Promise<void> {
  const { prompt, maxTokens } = await readCall(request)
  const number = (name: string): number => Number(new RegExp(`${name}=(\\d+)`).exec(prompt)?.[1] ?? 0)
  const [tokens, pauseMs, size] = [
    number('tokens') || Math.min(64, maxTokens),
    number('pause'),
    number('size'),
  ]
  let hasLeft = false
  response.on('close', () => {
    hasLeft = true
    if (!response.writableFinished) onLeft(/name=(\S+)/.exec(prompt)?.[1] ?? '', performance.now())
  })
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const event = (value: unknown): boolean => response.write(`data: ${JSON.stringify(value)}\n\n`)
  const chunk = (delta: object, finish_reason: string | null = null): boolean =>
    event({
      id: 'c',
      object: 'chat.completion.chunk',
      created: 1,
      model: MODEL,
      choices: [{ index: 0, delta, finish_reason }],
    })
  for (let token = 0; token < tokens && !hasLeft; token++) {
    const isRoomy = chunk({ content: `t${token} `.padEnd(size, '.') })
    // A probe's answer is short, and says nothing about who is slow.
    if (tokens > 1_000) count.written++
    if (pauseMs > 0) await sleep(pauseMs)
    // Whoever does not read: neither would an engine compute on.
    else if (!isRoomy) await drained(response)
  }
  if (hasLeft) return
  if (prompt.includes('stay')) return
  if (prompt.includes('crash')) return response.socket?.destroySoon()
  chunk({}, 'stop')
  const usage = { prompt_tokens: 5, completion_tokens: tokens, total_tokens: tokens + 5 }
  event({ id: 'c', object: 'chat.completion.chunk', created: 1, model: MODEL, choices: [], usage })
  response.end('data: [DONE]\n\n')
}

/** Its reader has caught up, or left. */
const drained = (response: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })

async function readCall(request: IncomingMessage): Promise<{ prompt: string; maxTokens: number }> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const body = JSON.parse(Buffer.concat(chunks).toString()) as {
    messages?: { content: string }[]
    prompt?: string
    max_tokens?: number
  }
  return { prompt: body.messages?.at(-1)?.content ?? body.prompt ?? '', maxTokens: body.max_tokens ?? 16 }
}
