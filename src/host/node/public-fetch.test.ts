import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { createPublicFetch, isNamedHost, isPublicAddress } from './public-fetch.ts'

const addresses: readonly (readonly [string, boolean])[] = [
  ['8.8.8.8', true],
  ['172.15.255.255', true],
  ['2606:4700::1111', true],
  ['127.0.0.1', false],
  ['127.255.255.254', false],
  ['0.0.0.0', false],
  ['10.1.2.3', false],
  ['172.16.0.1', false],
  ['192.168.1.1', false],
  ['169.254.169.254', false],
  ['100.64.0.1', false],
  ['224.0.0.1', false],
  ['255.255.255.255', false],
  ['::1', false],
  ['::', false],
  ['::ffff:127.0.0.1', false],
  ['::ffff:10.0.0.1', false],
  ['64:ff9b::7f00:1', false],
  ['fe80::1', false],
  ['fd00:ec2::254', false],
  ['2002:7f00:1::', false],
  ['no address', false],
]
for (const [address, expected] of addresses) {
  test(`${address} is ${expected ? '' : 'not '}an address of the internet at large`, () =>
    assert.equal(isPublicAddress(address), expected))
}

test('no way of writing this machine is gone to, unless its owner named it', async (t) => {
  const { port, visits } = await setup(t)
  const fetch = createPublicFetch([])
  for (const place of [
    `http://127.0.0.1:${port}/`,
    `http://localhost:${port}/`,
    `http://[::1]:${port}/`,
    `http://[::ffff:127.0.0.1]:${port}/`,
    `http://2130706433:${port}/`,
    `http://0x7f.1:${port}/`,
    `http://0:${port}/`,
  ]) {
    await assert.rejects(
      fetch(new Request(place)),
      (error) =>
        error instanceof Problem && error.code === 'config_invalid' && /--model-hosts/.test(error.message),
      place,
    )
  }
  assert.equal(visits(), 0)
  const named = createPublicFetch([`127.0.0.1:${port}`])
  assert.equal((await named(new Request(`http://127.0.0.1:${port}/`))).status, 200)
  await assert.rejects(named(new Request(`http://localhost:${port}/`)), 'another name is not named')
  assert.equal(visits(), 1)
})

test('a named host may have a port, or stand for all of its ports', () => {
  const url = new URL('https://nas.lan/x')
  for (const [named, expected] of [
    ['nas.lan', true],
    ['nas.lan:443', true],
    ['nas.lan:8080', false],
    ['lan', false],
  ] as const)
    assert.equal(isNamedHost(url, [named]), expected, named)
})

async function setup(t: TestContext) {
  let visits = 0
  const server = createServer((_request, response) => {
    visits++
    response.end('x')
  })
  server.listen(0)
  await once(server, 'listening')
  t.after(() => server.close())
  return { port: (server.address() as AddressInfo).port, visits: () => visits }
}
