import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { blobRoutes } from './blobs.ts'
import { describeApi } from './open-api.ts'
import { openAiRoutes } from './openai-routes.ts'
import { routes } from './routes.ts'
import { VERSION } from './version.ts'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

test('openapi.json is the document of this code', () => {
  const written = `${JSON.stringify(describeApi(), null, 2)}\n`
  assert.ok(read('openapi.json') === written, 'openapi.json is stale: run `npm run openapi` and commit it')
})

test('the version is that of the package', () => {
  assert.equal(VERSION, JSON.parse(read('package.json')).version)
})

test('the document is the same whatever was imported and however often it is made', () => {
  assert.deepEqual(describeApi(), describeApi())
})

test('every reference leads somewhere and every schema is used', () => {
  const document = describeApi()
  const references = JSON.stringify(document).matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g)
  const found = new Set([...references].map(([, kind, name]) => `${kind}/${name}`))
  const { schemas, responses } = document.components
  const known = [
    ...Object.keys(schemas).map((name) => `schemas/${name}`),
    ...Object.keys(responses).map((name) => `responses/${name}`),
  ]
  assert.deepEqual([...found].sort(), known.sort())
})

test('every route of the tables is one operation, with its scope', () => {
  const operations = Object.values(describeApi().paths).flatMap((methods) => Object.values(methods))
  const found = operations.map((operation) => [operation.operationId, operation['x-scope']])
  const expected = [routes, openAiRoutes, blobRoutes]
    .flatMap((table) => Object.entries<{ readonly scope: string }>(table))
    .map(([name, route]) => [name, route.scope])
  assert.deepEqual(found.sort(), expected.sort())
  for (const operation of operations)
    assert.ok(
      operation.tags.every((tag) => tag !== ''),
      operation.operationId,
    )
})

test('amounts are decimal strings on the wire and numbers in a query are numbers', () => {
  const { components, paths } = describeApi()
  assert.equal(components.schemas['NanoUsd']?.['type'], 'string')
  const parameters = paths['/api/usage']?.['get']?.parameters ?? []
  const limit = parameters.find(({ name }) => name === 'limit')
  assert.deepEqual(limit?.schema, { type: 'integer', minimum: 1, maximum: 1000 })
  assert.equal(limit?.required, false)
})
