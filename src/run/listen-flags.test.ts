import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createTestAuthority, opensslMissing } from '#host/node/test-certificates.ts'
import { Problem } from '#protocol/problem.ts'
import { isLoopback, namesOf, urlOf } from './listen-config.ts'
import { type ListenFlags, listenOf } from './listen-flags.ts'

const authority = opensslMissing ? null : createTestAuthority()
after(() => authority?.dispose())
// Asked anew each time: a certificate is valid from the second on in which it was made.
const of = (flags: Partial<ListenFlags>) =>
  listenOf({ listen: '127.0.0.1', port: 7420, ...flags }, Date.now())

test('without options it listens on this machine alone', () => {
  const { hostname, port, tls, proxies, publicUrl } = of({})
  assert.deepEqual([hostname, port, tls, proxies, publicUrl], ['127.0.0.1', 7420, null, null, null])
})

test('an address may bring its port, also one of IPv6', () => {
  const rows = [
    ['localhost', 'localhost', 7420],
    ['127.0.0.1:80', '127.0.0.1', 80],
    ['[::1]:80', '::1', 80],
    ['[::1]', '::1', 7420],
    ['::1', '::1', 7420],
  ] as const
  for (const [listen, hostname, port] of rows) {
    const found = of({ listen })
    assert.deepEqual([found.hostname, found.port], [hostname, port], listen)
  }
})

const refusals: readonly [Partial<ListenFlags>, RegExp][] = [
  [
    { listen: '0.0.0.0' },
    /^--listen 0\.0\.0\.0 reaches beyond this machine.* --tls-cert FILE and --tls-key FILE, or --behind-proxy/,
  ],
  [{ listen: '::' }, /reaches beyond this machine/],
  [{ listen: '10.0.0.5:7420' }, /reaches beyond this machine/],
  [{ listen: 'gpu-box' }, /reaches beyond this machine/],
  [{ listen: '127.0.0.1.example' }, /reaches beyond this machine/],
  [{ listen: '' }, /is no address to listen on/],
  [{ listen: 'http://0.0.0.0' }, /is no address to listen on/],
  [{ listen: '0.0.0.0:99999' }, /is no address to listen on/],
  [{ tlsCert: 'a.pem' }, /^--tls-cert needs its private key/],
  [{ tlsKey: 'a.key' }, /^--tls-key needs the certificate/],
  [
    { tlsCert: '/none/a.pem', tlsKey: '/none/a.key' },
    /^The certificate \/none\/a\.pem cannot be read: there is no such file/,
  ],
  [{ trustedProxy: ['10.0.0.1'] }, /goes with --behind-proxy/],
  [{ behindProxy: true, trustedProxy: ['proxy'] }, /"proxy" is neither an address nor a range/],
  [{ behindProxy: true, publicUrl: 'net.example' }, /is not an address such as https:\/\/net\.example/],
  [{ behindProxy: true, publicUrl: 'https://net.example/shoal' }, /is not an address such as/],
  [{ behindProxy: true, publicUrl: 'http://net.example' }, /is plain http, by which no agent comes/],
  [{ publicUrl: 'https://net.example' }, /is https, and nothing here ends TLS/],
]
for (const [flags, says] of refusals) {
  test(`refused: ${JSON.stringify(flags)}`, () => {
    assert.throws(
      () => of(flags),
      (error) => error instanceof Problem && error.code === 'config_invalid' && says.test(error.message),
    )
  })
}

test('behind a proxy it may listen anywhere, and knows its public name', () => {
  const listen = of({
    listen: '0.0.0.0',
    behindProxy: true,
    publicUrl: 'https://Net.example/',
    trustedProxy: ['10.0.0.0/8'],
  })
  assert.deepEqual([listen.publicUrl, listen.proxies], ['https://net.example', ['10.0.0.0/8']])
  const names = namesOf(listen, null)
  assert.deepEqual(names.origins, ['https://net.example'])
  const known = ['net.example', 'NET.EXAMPLE', 'localhost', '127.0.0.1', '[::1]']
  assert.deepEqual(
    known.map(names.goesBy),
    known.map(() => true),
  )
  assert.deepEqual(['evil.example', 'net.example.evil', '10.0.0.1'].map(names.goesBy), [false, false, false])
  assert.equal(namesOf(of({ behindProxy: true }), null).goesBy('any.example'), true, 'the proxy knows better')
})

test('with a certificate it goes by the names in it, and the certificate must fit', {
  skip: opensslMissing,
}, () => {
  assert(authority)
  const good = authority.issue('good', 'DNS:net.example,IP:10.0.0.5')
  const files = { tlsCert: good.certFile, tlsKey: good.keyFile }
  const listen = of({ listen: '0.0.0.0:443', ...files })
  assert.deepEqual(listen.tls, good)
  const names = namesOf(listen, { names: ['net.example', '10.0.0.5'] })
  assert.deepEqual(['net.example', '10.0.0.5', 'evil.example'].map(names.goesBy), [true, true, false])

  assert.equal(of({ ...files, publicUrl: 'https://net.example' }).publicUrl, 'https://net.example')
  assert.throws(
    () => of({ ...files, publicUrl: 'https://other.example' }),
    /is for net\.example, 10\.0\.0\.5, not for other\.example/,
  )
  const gone = authority.issue('gone', 'DNS:net.example', -1)
  assert.throws(
    () => of({ tlsCert: gone.certFile, tlsKey: gone.keyFile }),
    /gone\.pem expired on .* Renew it, and start again\.$/,
  )
})

test('what counts as this machine alone', () => {
  const alone = ['localhost', '127.0.0.1', '127.9.9.9', '::1', '[::1]']
  const not = ['0.0.0.0', '::', '10.0.0.1', 'localhost.example', '127.example', '128.0.0.1']
  assert.deepEqual([alone.every(isLoopback), not.some(isLoopback)], [true, false])
  assert.equal(urlOf('https', '::1', 5), 'https://[::1]:5')
})
