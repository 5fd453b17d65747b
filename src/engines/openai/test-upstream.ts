/** Test support: a real HTTP server that speaks as vLLM and llama-server do, or misbehaves as a test tells it to. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { nodeClock } from '#host/node/node-clock.ts'
import { undiciUpstreams } from '#host/node/undici-upstream.ts'
import { createOpenAiEngine, type OpenAiOptions } from './openai-engine.ts'

export const role = () => ({
  choices: [{ delta: { role: 'assistant', content: '' }, finish_reason: null }],
  usage: null,
})
export const text = (content: string) => ({ choices: [{ delta: { content }, finish_reason: null }] })
export const finish = (reason: string) => ({ choices: [{ delta: {}, finish_reason: reason }] })
export const usage = (prompt: number, generated: number, more: object = {}) => ({
  choices: [],
  usage: { prompt_tokens: prompt, completion_tokens: generated, total_tokens: prompt + generated, ...more },
})
export const event = (value: unknown) =>
  `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`

export function start(response: ServerResponse, events: readonly unknown[]): void {
  if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  for (const value of events) response.write(event(value))
}
export function stream(response: ServerResponse, events: readonly unknown[]): void {
  start(response, events)
  response.end()
}
export function cut(response: ServerResponse, events: readonly unknown[]): void {
  start(response, events)
  response.write('', () => response.destroy())
}

export async function stop(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}

interface Setup {
  readonly models?: readonly unknown[]
  readonly listStatus?: number
  readonly answer?: (response: ServerResponse) => void
  readonly options?: Partial<OpenAiOptions>
  readonly waits?: boolean
}
interface Received {
  readonly target: string
  readonly authorization: string | undefined
  readonly body: Readonly<Record<string, unknown>> | undefined
}

/** The engine before a server that answers as `input` says, both closed with the test. */
export async function serveUpstream(t: { after(run: () => Promise<void>): void }, input: Setup) {
  const received: Received[] = []
  const server = createServer((request, response) => {
    if (request.url === '/v1/models') {
      response.writeHead(input.listStatus ?? 200).end(JSON.stringify({ data: input.models ?? [{ id: 'm' }] }))
      return
    }
    void readBody(request).then((body) => {
      const { authorization } = request.headers
      received.push({ target: `${request.method} ${request.url}`, authorization, body })
      input.answer?.(response)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const engine = createOpenAiEngine(
    { baseUrl: new URL(`http://127.0.0.1:${port}/v1/`), ...input.options },
    { upstreams: undiciUpstreams, clock: nodeClock, log: silentLog },
  )
  t.after(async () => {
    await engine.close()
    await stop(server)
  })
  if (input.waits !== false) await engine.ready()
  const changed = (holds: () => boolean) =>
    new Promise<void>((resolve) => {
      if (holds()) resolve()
      else engine.onChange(() => (holds() ? resolve() : undefined))
    })
  return { engine, server, port, received, changed }
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return JSON.parse(text) as Record<string, unknown>
}

const silentLog = { info: () => undefined, warn: () => undefined, error: () => undefined }
