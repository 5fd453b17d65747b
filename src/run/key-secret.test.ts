import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyState } from '#coordinator/coordinator-state.ts'
import { keySecretCheck } from '#host/key-secret.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { checkKeySecret, keepKeySecret, needKeySecret } from './key-secret.ts'

test('a new network makes its secret once, and one that was founded before it was noted keeps its own', () => {
  const { keeper, kept } = setup()
  const { text, isNew } = keepKeySecret(keeper, emptyState())
  assert.match(text, /^[a-z0-9]{40,}$/)
  assert.equal(isNew, true)
  assert.deepEqual(keepKeySecret(keeper, emptyState()), { text, isNew: false })
  assert.deepEqual([...kept], [['key-secret', text]])
})

test('another secret than the one that the journal knows is refused', () => {
  const { keeper, stateOf } = setup({ 'key-secret': 'mine' })
  assert.deepEqual(keepKeySecret(keeper, stateOf('mine')), { text: 'mine', isNew: false })
  assert.throws(() => keepKeySecret(keeper, stateOf('theirs')), {
    code: 'config_invalid',
    message: /is not the one of this network.* put the file back/,
  })
  assert.throws(() => checkKeySecret('mine', keeper, stateOf('theirs')), { code: 'config_invalid' })
})

test('one that is lost is made anew where the journal is, and nowhere else', () => {
  const { keeper, stateOf } = setup()
  assert.throws(() => needKeySecret(keeper), { code: 'config_invalid', message: /is not on this machine/ })
  assert.equal(keepKeySecret(keeper, stateOf('lost')).isNew, true)
})

test('what is written down of a secret is not the hash of any key under it', () => {
  const check = keySecretCheck(nodeCrypto, 'mine')
  assert.match(check, /^[0-9a-f]{32}$/)
  assert.notEqual(check, keySecretCheck(nodeCrypto, 'mine '))
})

function setup(secrets: Readonly<Record<string, string>> = {}) {
  const kept = new Map(Object.entries(secrets))
  const keeper = {
    crypto: nodeCrypto,
    secrets: {
      randomBytes: (length: number) => new Uint8Array(length).fill(7),
      read: (name: string) => kept.get(name) ?? null,
      write: (name: string, text: string) => void kept.set(name, text),
    },
  }
  const stateOf = (secret: string) => {
    const state = emptyState()
    state.organisations.keySecretCheck = keySecretCheck(nodeCrypto, secret)
    return state
  }
  return { keeper, kept, stateOf }
}
