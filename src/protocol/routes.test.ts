import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { economicsRoutes } from './economics-routes.ts'
import { Health } from './network-status.ts'
import { matchesPath, type Route, type Routes } from './route.ts'
import { routes } from './routes.ts'

const table: readonly [string, Route][] = Object.entries(routes as Routes)

test('no route that changes something is public', () => {
  for (const [name, route] of table) {
    if (route.method !== 'GET') assert.notEqual(route.scope as string, 'public', name)
  }
  // @ts-expect-error the type says so too
  const wrong: Route = { method: 'POST', path: '/api/x', scope: 'public', summary: '', reply: Health }
  assert.ok(wrong)
})

test('a route without a scope is no route', () => {
  for (const [name, route] of table) assert.equal(typeof route.scope, 'string', name)
  // @ts-expect-error so it fails the build
  const wrong: Route = { method: 'GET', path: '/api/x', summary: '', reply: Health }
  assert.ok(wrong)
})

test('only health, status, the network’s proof and economics are public, and only enrolment takes an enrolment token', () => {
  const keyless = table.filter(([, { scope }]) => scope === 'public' || scope === 'enrolment_token')
  assert.deepEqual(
    keyless.map(([name]) => name),
    [
      'getHealth',
      'proveNetwork',
      'enrolNode',
      'getStatusPage',
      'listGpus',
      'listPlaces',
      'assessGpu',
      'compareNetworks',
    ],
  )
})

test('every placeholder of a path is a parameter, and every parameter a placeholder', () => {
  for (const [name, { path, params }] of table) {
    const placeholders = [...path.matchAll(/:(\w+)/g)].map(([, placeholder]) => placeholder)
    assert.deepEqual(Object.keys(params?.shape ?? {}), placeholders, name)
  }
})

test('no two routes answer the same method and path', () => {
  for (const [name, route] of table) {
    const path = route.path.replace(/:\w+/g, 'x')
    const matches = table.filter(([, other]) => other.method === route.method && matchesPath(other, path))
    assert.deepEqual(
      matches.map(([other]) => other),
      [name],
    )
  }
})

test('every body and reply has a name in the document', () => {
  for (const [name, route] of table) {
    assert.ok(z.globalRegistry.get(route.reply)?.id, `reply of ${name}`)
    if (route.method !== 'GET' && route.body) {
      assert.ok(z.globalRegistry.get(route.body)?.id, `body of ${name}`)
    }
  }
})

test('every body has an example, which its schema takes', () => {
  for (const [name, route] of table) {
    if (route.method === 'GET' || !route.body) continue
    assert.ok(z.safeDecode(route.body, route.example as never).success, name)
  }
})

test('every list replies items and where the next page starts', () => {
  for (const [name, { query, reply }] of table) {
    if (!query || !(reply instanceof z.ZodObject) || name in economicsRoutes) continue
    if ('after' in query.shape) continue // News go on from what was read, the oldest first.
    if (name === 'getSla') continue // One report, of the organisation that is named.
    assert.ok('limit' in query.shape && 'before' in query.shape, name)
    assert.ok('items' in reply.shape && 'next' in reply.shape, name)
  }
})
