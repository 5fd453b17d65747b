import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { listenProblem, networkProblem, placeOf } from './network-problem.ts'

const withCode = (code: string, message = code): Error => Object.assign(new Error(message), { code })

test('each way in which a call fails is told as what to look at', () => {
  const rows: [code: string, problem: string, message: RegExp][] = [
    ['ECONNREFUSED', 'network_unreachable', /^Nothing listens at h:1\./],
    ['EAI_AGAIN', 'network_unreachable', /could not be found/],
    ['ENETUNREACH', 'network_unreachable', /no route to h:1/],
    ['UND_ERR_SOCKET', 'network_unreachable', /closed the connection before/],
    ['UND_ERR_CONNECT_TIMEOUT', 'network_timeout', /did not take a connection in time/],
    ['UND_ERR_HEADERS_TIMEOUT', 'network_timeout', /silent too long/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'certificate_refused', /h:1 is signed by itself/],
    ['CERT_REVOKED', 'certificate_refused', /certificate of h:1 is not trusted/],
    ['E_SOMETHING_ELSE', 'network_unreachable', /cannot be reached \(E_SOMETHING_ELSE\)/],
  ]
  for (const [code, problem, message] of rows) {
    const error = new TypeError('fetch failed', { cause: withCode(code) })
    const found = networkProblem(error, 'h:1')
    assert.equal(found.code, problem, code)
    assert.match(found.message, message)
    assert.equal(found.cause, error)
  }
})

test('the reason is found within an aggregate, and a problem is kept', () => {
  const both = new AggregateError([withCode('ECONNREFUSED'), withCode('ENETUNREACH')])
  assert.match(
    networkProblem(new TypeError('fetch failed', { cause: both }), 'h:1').message,
    /^Nothing listens/,
  )
  assert.match(networkProblem('odd', 'h:1').message, /cannot be reached \(odd\)/)
  const problem = new Problem('unavailable', 'Enough.')
  assert.equal(networkProblem(problem, 'h:1'), problem)
})

test('a place has the port that its scheme implies', () => {
  const places = ['http://h/x', 'https://h/x', 'ws://h', 'wss://h', 'ws://[::1]:7'].map((url) =>
    placeOf(new URL(url)),
  )
  assert.deepEqual(places, ['h:80', 'h:443', 'h:80', 'h:443', '[::1]:7'])
})

test('a port that needs more rights is told with the way out', () => {
  const problem = listenProblem(withCode('EACCES'), { hostname: '0.0.0.0', port: 80 })
  assert.equal(problem.code, 'address_unavailable')
  assert.match(problem.message, /may not listen on port 80 of 0\.0\.0\.0/)
})
