import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClient, type Fetch } from './client.ts'
import { Problem } from './problem.ts'
import { routes } from './routes.ts'

test('the key goes where it is needed and nowhere else', async () => {
  const { client, requests } = setup(() => new Response('{}', { status: 500 }))
  await Promise.allSettled([client.getHealth(), client.getStatus()])
  assert.deepEqual(
    requests.map((request) => request.headers.get('authorization')),
    [null, 'Bearer k'],
  )
})

test('what the schema refuses never leaves', async () => {
  const { client, requests } = setup(() => new Response('{}'))
  const call = client.depositToAccount({
    params: { accountId: 'a' },
    body: { transferId: 't', createdAtMs: 1, amount: 0n, memo: '', isTest: true },
  })
  await assert.rejects(
    call,
    isProblem('invalid_request', /`amount` in the body: expected an amount above zero/),
  )
  assert.equal(requests.length, 0)
})

test('a problem document becomes the problem it was', async () => {
  const detail = { code: 'not_found', detail: 'No node n.', status: 404, nodeId: 'n', list: [1] }
  const headers = { 'x-request-id': 'req_9' }
  const { client } = setup(() => Response.json(detail, { status: 404, headers }))
  await assert.rejects(client.getNode({ params: { nodeId: 'n' } }), (error) => {
    assert.ok(error instanceof Problem)
    assert.deepEqual([error.code, error.message], ['not_found', 'No node n.'])
    assert.deepEqual(error.details, { nodeId: 'n', requestId: 'req_9' })
    return true
  })
})

test('a code of a later release is internal, its sentence kept', async () => {
  const { client } = setup(() => Response.json({ code: 'toString', detail: 'New.' }, { status: 418 }))
  await assert.rejects(client.getHealth(), isProblem('internal', /^New\.$/))
})

test('an answer that is none of ours is told as such', async () => {
  const html = setup(() => new Response('<html>', { status: 502 }))
  await assert.rejects(
    html.client.getHealth(),
    isProblem('internal', /answered 502 without a problem document/),
  )
  const other = setup(() => Response.json({ hello: 'world' }))
  await assert.rejects(other.client.getHealth(), isProblem('internal', /`status` in the reply/))
  const text = setup(() => new Response('pong'))
  await assert.rejects(
    text.client.getHealth(),
    isProblem('internal', /is not what this version of Shoal knows/),
  )
})

test('an aborted call rejects with the reason of its signal', async () => {
  const controller = new AbortController()
  const { client } = setup(
    (request) =>
      new Promise((_, reject) => {
        request.signal.addEventListener('abort', () => reject(request.signal.reason))
      }),
  )
  const call = client.getHealth({}, { signal: controller.signal })
  controller.abort(new Problem('cancelled', 'Enough.'))
  await assert.rejects(call, isProblem('cancelled', /Enough/))
})

const isProblem = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof Problem, String(error))
  assert.equal(error.code, code)
  assert.match(error.message, message)
  return true
}

function setup(answer: (request: Request) => Response | Promise<Response>) {
  const requests: Request[] = []
  const fetch: Fetch = async (request) => {
    requests.push(request)
    return answer(request)
  }
  return { requests, client: createClient(routes, { baseUrl: 'http://net.example/', apiKey: 'k', fetch }) }
}
