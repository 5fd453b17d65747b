import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createDiskSecrets } from './disk-secrets.ts'

test('a secret is found again under its name', (t) => {
  const { folder, secrets } = setup(t)
  assert.equal(secrets.read('node-key'), null)
  secrets.write('node-key', 'first')
  secrets.write('node-key', 'zweiter Schlüssel')
  secrets.write('other', '')
  assert.equal(createDiskSecrets(folder).read('node-key'), 'zweiter Schlüssel')
  assert.equal(secrets.read('other'), '')
  assert.deepEqual(readdirSync(folder).sort(), ['node-key', 'other'])
})

test('only this user may look at secrets, also in a folder that was open', (t) => {
  const { folder, secrets } = setup(t)
  mkdirSync(folder)
  chmodSync(folder, 0o755)
  secrets.write('node-key', 'text')
  assert.equal(statSync(folder).mode & 0o777, 0o700)
  assert.equal(statSync(join(folder, 'node-key')).mode & 0o777, 0o600)
})

test('a name that is not kebab-case is a bug', (t) => {
  const { secrets } = setup(t)
  for (const name of ['', '..', '../key', 'a/b', 'A', 'a_b', '-a', 'a.tmp']) {
    assert.throws(() => secrets.read(name), { name: 'AssertionError' }, name)
    assert.throws(() => secrets.write(name, 'text'), { name: 'AssertionError' }, name)
  }
})

test('random bytes are as many as asked for and differ', (t) => {
  const { secrets } = setup(t)
  assert.equal(secrets.randomBytes(0).length, 0)
  assert.equal(secrets.randomBytes(32).length, 32)
  assert.notDeepEqual(secrets.randomBytes(32), secrets.randomBytes(32))
})

function setup(t: TestContext) {
  const parent = mkdtempSync(join(tmpdir(), 'shoal-secrets-'))
  const folder = join(parent, 'secrets')
  t.after(() => rmSync(parent, { recursive: true }))
  return { folder, secrets: createDiskSecrets(folder) }
}
