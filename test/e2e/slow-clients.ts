/** Clients that behave badly without being wrong: they read nothing, send nothing, or leave; and what that does to a network. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type MockUpstream, openMockUpstream } from './mock-upstream.ts'
import { groupMembers, until } from './process-group.ts'
import { type Network, type Rig, startNetwork } from './rig.ts'

export interface SlowRig {
  readonly network: Network
  readonly upstream: MockUpstream
  readonly port: number
  /** Memory of the process that callers talk with. */
  residentMib(): number
  close(): Promise<void>
}

const SLOTS = 2_048

/** A network whose one node passes on what a mock upstream says. */
export async function startSlowRig(rig: Rig): Promise<SlowRig> {
  const upstream = await openMockUpstream()
  const network = await startNetwork(rig, rig.path('data'), [
    ...['--upstream', upstream.baseUrl, '--slots', String(SLOTS), '--test-balance', '1000000'],
  ])
  const pid = await until(
    'the process that serves',
    () => groupMembers(network.program.pid).find(({ title }) => title.startsWith('shoal coordinator'))?.pid,
  )
  return {
    network,
    upstream,
    port: Number(new URL(network.ready.apiUrl).port),
    residentMib() {
      const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
      return Number(kib) / 1024
    },
    close: () => upstream.close(),
  }
}

export async function openSocket(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

/** A streamed chat as bytes; the mock upstream does what `prompt` says. */
export function chatBytes({ ready }: Network, prompt: string, maxTokens: number): string {
  const body = JSON.stringify({
    model: 'mock',
    messages: [{ role: 'user', content: prompt }],
    max_tokens: maxTokens,
    stream: true,
  })
  const head = [
    'POST /v1/chat/completions HTTP/1.1',
    'host: localhost',
    `authorization: Bearer ${ready.apiKey}`,
  ]
  return [
    ...head,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n')
}

/** Bytes of each of their tokens: the system itself keeps some megabytes of what is not read. */
const STALLED_SIZE = 48

/** Streams that nobody reads, in batches so that none is refused. They stay until the sockets are destroyed. */
export async function openStalled(
  { network, port }: SlowRig,
  count: number,
  tokens: number,
): Promise<Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const more = await Promise.all(
      Array.from({ length: Math.min(50, count - sockets.length) }, () => openSocket(port)),
    )
    for (const socket of more) {
      socket.pause()
      socket.write(chatBytes(network, `tokens=${tokens} size=${STALLED_SIZE}`, tokens))
    }
    sockets.push(...more)
    await sleep(50)
  }
  return sockets
}

export interface Probe {
  /** How long a short answer took each time, in milliseconds. */
  stop(): Promise<readonly number[]>
}

/** A well-behaved caller, again and again: what it sees is what the others do to it. */
export function startProbe({ network }: SlowRig): Probe {
  const took: number[] = []
  let isOver = false
  const probing = (async () => {
    while (!isOver) {
      const startedMs = performance.now()
      const stream = await network.openai.chat.completions.create({
        model: 'mock',
        messages: [{ role: 'user', content: 'tokens=8' }],
        max_tokens: 8,
        stream: true,
      })
      let text = ''
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
      if (text.trim().split(' ').length !== 8) throw new Error(`a probe was answered ${JSON.stringify(text)}`)
      took.push(performance.now() - startedMs)
      await sleep(20)
    }
  })()
  // Whoever stops it hears of a failure.
  probing.catch(() => undefined)
  return {
    async stop() {
      isOver = true
      await probing
      return took
    },
  }
}

export interface Leave {
  /** From the caller's end to the engine's. */
  readonly ms: number
  readonly requestId: string
  /** What the caller had received, all of what there was. */
  readonly tokens: number
}

/** A caller that takes `tokens` of an answer that then waits, and leaves. Resolves once the engine has noticed. */
export async function takeAndLeave(slow: SlowRig, name: string, tokens: number): Promise<Leave> {
  const socket = await openSocket(slow.port)
  let text = ''
  const all = new Promise<void>((resolve) => {
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += String(chunk)
      if (text.includes(`t${tokens - 1} `)) resolve()
    })
  })
  const noticed = new Promise<number>((resolve) => {
    const before = slow.upstream.onLeft
    slow.upstream.onLeft = (who, atMs) => (who === name ? resolve(atMs) : before(who, atMs))
  })
  socket.write(chatBytes(slow.network, `tokens=${tokens} name=${name} stay`, 1_000))
  await all
  const leftMs = performance.now()
  socket.destroy()
  const requestId = /\r\nx-request-id: (\S+)/i.exec(text)?.[1] ?? ''
  return { ms: (await noticed) - leftMs, requestId, tokens }
}
