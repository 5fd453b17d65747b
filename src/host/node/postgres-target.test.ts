import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isPostgresUrl, parsePostgresUrl } from './postgres-target.ts'

test('a URL says where, as whom and how safely', () => {
  const target = parsePostgresUrl('postgresql://ann%40x:s%3Acret@db.example.com:6432/cell?sslmode=require')
  assert.deepEqual(target, {
    label: 'PostgreSQL at db.example.com:6432/cell',
    host: 'db.example.com',
    port: 6_432,
    user: 'ann@x',
    password: 's:cret',
    database: 'cell',
    tls: { rejectUnauthorized: false, host: 'db.example.com', servername: 'db.example.com' },
  })
})

const tlsRows: readonly [url: string, tls: object | null][] = [
  ['postgres://a@localhost/b', null],
  ['postgres://a@127.0.0.1/b', null],
  ['postgres://a@[::1]/b', null],
  ['postgres://a@%2Fvar%2Frun%2Fpostgresql/b', null],
  ['postgres://a@/b?host=/var/run/postgresql', null],
  [
    'postgres://a@db.example.com/b',
    { rejectUnauthorized: true, host: 'db.example.com', servername: 'db.example.com' },
  ],
  ['postgres://a@10.0.0.7/b', { rejectUnauthorized: true, host: '10.0.0.7' }],
  ['postgres://a@10.0.0.7/b?sslmode=disable', null],
  [
    'postgres://a@localhost/b?sslmode=verify-full&sslrootcert=system',
    { rejectUnauthorized: true, host: 'localhost', servername: 'localhost' },
  ],
]
for (const [url, tls] of tlsRows) {
  test(`${url} is ${tls ? 'over TLS' : 'in the clear'}`, () => {
    const target = parsePostgresUrl(url)
    assert.deepEqual(target.tls, tls)
    assert.equal(target.port, 5_432)
  })
}

test('certificates are read from their files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-pem-'))
  const path = join(folder, 'ca.pem')
  writeFileSync(path, 'PEM')
  const { tls } = parsePostgresUrl(`postgres://a@db/b?sslmode=verify-ca&sslrootcert=${path}`)
  assert.equal(tls?.ca, 'PEM')
  assert.equal(tls?.rejectUnauthorized, true)
  assert.equal(tls?.checkServerIdentity?.('db', Object.create(null)), undefined)
  rmSync(folder, { recursive: true })
  assert.throws(() => parsePostgresUrl(`postgres://a@db/b?sslrootcert=${path}`), {
    code: 'config_invalid',
    message: new RegExp(`^The database's sslrootcert ${path} cannot be read`),
  })
})

const wrong: readonly [url: string, says: RegExp][] = [
  ['mysql://a@b/c', /is not an address such as postgres:\/\//],
  ['postgres://a:secret@one:1,two:2/c', /one server, the one that takes the writes/],
  ['postgres://a:secret@b/c?sslmode=prefer', /has sslmode=prefer; known are disable/],
  ['postgres://a:secret@b/c?target_session_attrs=any', /has target_session_attrs, which is unknown here/],
  ['postgres://:secret@b/c', /names no user/],
  ['postgres://a:secret@b', /names no database/],
  ['postgres://a:secret@/c', /names no host/],
  ['postgres://a:secret%@b/c', /is not an address|is malformed/],
]
for (const [url, says] of wrong) {
  test(`${url} is refused, without its password`, () => {
    assert.throws(
      () => parsePostgresUrl(url),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'config_invalid')
        assert.match(error.message, says)
        assert.doesNotMatch(error.message, /secret/)
        return true
      },
    )
  })
}

test('a folder is not a database', () => {
  assert.equal(isPostgresUrl('postgres://a@b/c'), true)
  assert.equal(isPostgresUrl('postgresql://a@b/c'), true)
  assert.equal(isPostgresUrl('/var/lib/shoal'), false)
  assert.equal(isPostgresUrl('postgres'), false)
})
