import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { peerAddresses, proxiedAddresses } from './client-address.ts'

test('without a proxy the peer is the client, whatever it says of others', () => {
  assert.equal(peerAddresses.of('203.0.113.5', '198.51.100.1'), '203.0.113.5')
  assert.equal(peerAddresses.of('::ffff:203.0.113.5', undefined), '203.0.113.5')
  assert.equal(peerAddresses.of(undefined, '198.51.100.1'), undefined)
})

test('behind proxies the client is the last address that none of them has', () => {
  const addresses = proxiedAddresses(['10.0.0.0/8', '2001:db8::1'])
  const rows = [
    ['127.0.0.1', undefined, '127.0.0.1'],
    ['127.0.0.1', '203.0.113.5', '203.0.113.5'],
    ['::1', '203.0.113.5', '203.0.113.5'],
    ['::ffff:10.1.2.3', '203.0.113.5, 10.9.9.9', '203.0.113.5'],
    ['2001:db8::1', '2001:db8:5::7', '2001:db8:5::7'],
    // What the client itself wrote in front of what the proxy added is not believed.
    ['127.0.0.1', '192.0.2.66, 203.0.113.5', '203.0.113.5'],
    ['127.0.0.1', 'nonsense', '127.0.0.1'],
    ['127.0.0.1', '192.0.2.66, unknown', '127.0.0.1'],
    ['127.0.0.1', '192.0.2.66, unix:', '127.0.0.1'],
    ['127.0.0.1', '192.0.2.66,', '127.0.0.1'],
    ['127.0.0.1', '192.0.2.66, unknown, 10.9.9.9', '127.0.0.1'],
    // With the port that the proxy saw it come from.
    ['127.0.0.1', '192.0.2.66, 203.0.113.5:51034', '203.0.113.5'],
    ['127.0.0.1', '192.0.2.66, 203.0.113.5:51034, 10.9.9.9:443', '203.0.113.5'],
    ['127.0.0.1', '192.0.2.66, [2001:db8:5::7]:443', '2001:db8:5::7'],
    ['127.0.0.1', '192.0.2.66, [2001:db8:5::7]', '2001:db8:5::7'],
    ['127.0.0.1', '192.0.2.66, [::ffff:203.0.113.5]:443', '203.0.113.5'],
    ['127.0.0.1', '192.0.2.66, 203.0.113.5:x', '127.0.0.1'],
    ['127.0.0.1', '', '127.0.0.1'],
  ] as const
  for (const [peer, said, client] of rows) assert.equal(addresses.of(peer, said), client, `${peer} ${said}`)
})

test('who comes past the proxy is refused, and what it says of itself does not help', () => {
  const addresses = proxiedAddresses([])
  for (const said of [undefined, '127.0.0.1', '10.0.0.1']) {
    const problem = addresses.of('203.0.113.5', said)
    assert(problem instanceof Problem)
    assert.match(
      problem.message,
      /behind a proxy, and 203\.0\.113\.5 is none of its own.* --trusted-proxy 203/,
    )
  }
})

test('a proxy on this machine may come by any of its addresses', () => {
  const own = Object.values(networkInterfaces()).flatMap((found = []) => found.map(({ address }) => address))
  for (const address of own) assert.equal(proxiedAddresses([]).of(address, '203.0.113.5'), '203.0.113.5')
})

test('what is no address and no range is refused by name', () => {
  for (const proxy of ['proxy.example', '10.0.0.0/33', '10.0.0/8', '', '10.0.0.1/x', '::1/129']) {
    assert.throws(() => proxiedAddresses([proxy]), /is neither an address nor a range/, proxy)
  }
})
