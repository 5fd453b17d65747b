import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { nodeClock } from '#host/node/node-clock.ts'
import { Problem } from '#protocol/problem.ts'
import { leaderProxy } from './leader-proxy.ts'

const servers: Server[] = []
after(() => {
  for (const server of servers) server.close().closeAllConnections()
})

test('a call that reaches nobody is held, and given with its body to the next coordinator that leads', async () => {
  const { proxy, state, calls } = setup()
  const dead = await listen(() => assert.fail('it is gone'))
  servers.pop()?.close()
  state.leaderUrl = dead
  const answer = proxy(post('hello'))
  await new Promise((resolve) => nodeClock.after(120, () => resolve(null)))
  state.leaderUrl = await listen((body) => void calls.push(body))
  assert.equal((await answer).status, 201)
  assert.deepEqual(calls, ['hello'])
})

test('hundreds that wait do not each knock', async () => {
  let knocks = 0
  const counted: typeof fetch = (...asked) => {
    knocks++
    return fetch(...asked)
  }
  const { proxy, state, calls } = setup(counted)
  state.leaderUrl = await listen(() => assert.fail('it is gone'))
  servers.pop()?.close()
  const first = proxy(post('0'))
  await new Promise((resolve) => nodeClock.after(40, () => resolve(null)))
  const others = Array.from({ length: 300 }, (_, index) => proxy(post(`${index + 1}`)))
  await new Promise((resolve) => nodeClock.after(200, () => resolve(null)))
  assert.ok(knocks < 20, `${knocks} knocks`)
  state.leaderUrl = await listen((body) => void calls.push(body))
  await Promise.all([first, ...others])
  assert.equal(new Set(calls).size, 301)
  assert.equal(calls.length, 301)
})

test('a call that was cut under way is told so, and never sent twice', async () => {
  const { proxy, state, calls } = setup()
  state.leaderUrl = await listen((body) => {
    calls.push(body)
    return 'cut'
  })
  await assert.rejects(proxy(post('once')), unavailable)
  assert.deepEqual(calls, ['once'])
})

test('a call that a frozen leader took ends when another leads, and is not sent to that one', async () => {
  const { proxy, state, calls } = setup()
  const taken = Promise.withResolvers<void>()
  state.leaderUrl = await listen((body) => {
    calls.push(body)
    taken.resolve()
    return 'frozen'
  })
  const answer = proxy(post('once'))
  await taken.promise
  state.leaderUrl = await listen(() => assert.fail('whether it happened is for its caller to ask'))
  await assert.rejects(answer, unavailable)
  assert.deepEqual(calls, ['once'])
})

test('a caller that leaves is held no longer', async () => {
  const { proxy, state } = setup()
  state.leaderUrl = await listen(() => undefined)
  servers.pop()?.close()
  const leaving = new AbortController()
  const held = proxy(new Request('http://127.0.0.1/api/status', { signal: leaving.signal }))
  leaving.abort()
  await assert.rejects(held)
})

test('without a coordinator that was ever heard of it says so at once', async () => {
  const { proxy } = setup()
  await assert.rejects(proxy(new Request('http://127.0.0.1/api/status')), unavailable)
})

const unavailable = (error: unknown): boolean => error instanceof Problem && error.code === 'unavailable'
const post = (body: string): Request => new Request('http://127.0.0.1/api/x', { method: 'POST', body })

/** A server on a free port; what `take` gives back says whether it cuts the connection or never answers. */
async function listen(take: (body: string) => 'cut' | 'frozen' | undefined): Promise<string> {
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const piece of request) body += String(piece)
    const fate = take(body)
    if (fate === 'cut') request.socket.destroy()
    if (fate !== undefined) return
    response.writeHead(201).end()
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function setup(asked: typeof fetch = fetch) {
  const state: { leaderUrl: string | null } = { leaderUrl: null }
  const calls: string[] = []
  const guard = { hostnames: ['127.0.0.1'], origins: [] }
  const proxy = leaderProxy({
    clock: nodeClock,
    network: { fetch: asked },
    leaderUrl: () => state.leaderUrl,
    guard,
  })
  return { proxy: (request: Request) => Promise.resolve(proxy(request)), state, calls }
}
