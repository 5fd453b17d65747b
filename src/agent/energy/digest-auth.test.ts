import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { digestHeader, wantedOf } from './digest-auth.ts'

test('the example of RFC 7616 is answered as printed there', () => {
  const wanted = wantedOf(
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
  )
  assert.ok(wanted.kind === 'digest')
  const header = digestHeader(nodeCrypto, wanted.challenge, {
    user: 'Mufasa',
    password: 'Circle of Life',
    method: 'GET',
    target: '/dir/index.html',
    count: 1,
    clientNonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
  })
  assert.match(header, /response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"/)
  assert.match(header, /nc=00000001, .*opaque="FQhe/)
})

const wants: [header: string | null, kind: string, rest?: RegExp][] = [
  ['Digest realm="a", nonce="b", algorithm=SHA-256, qop="auth"', 'digest', /"qop":"auth"/],
  ['digest algorithm="sha-256",realm="a",nonce="b"', 'digest', /"qop":null/],
  ['Basic realm="a", Digest realm="b", nonce="c", algorithm=SHA-256', 'digest', /"realm":"b"/],
  ['Digest realm="a", nonce="c", Digest realm="b", nonce="d", algorithm=SHA-256', 'digest', /"nonce":"d"/],
  ['Basic realm="Shelly, of \\"Ada\\""', 'basic'],
  ['Digest realm="a", nonce="b"', 'other', /digest authentication with MD5/],
  ['Bearer', 'other', /bearer/],
  ['', 'other', /unnamed/],
  [null, 'other', /unnamed/],
]
for (const [header, kind, rest] of wants) {
  test(`${header} wants ${kind}`, () => {
    const wanted = wantedOf(header)
    assert.equal(wanted.kind, kind)
    if (rest) assert.match(JSON.stringify(wanted), rest)
  })
}
