import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyState } from '#coordinator/coordinator-state.ts'
import { keySecretCheck } from '#host/key-secret.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { checkKeySecret, keepKeySecret, needKeySecret } from './key-secret.ts'

test('a new network makes its secret once, and one that was founded before it was noted keeps its own', () => {
  const { keeper, kept } = setup()
  const made = keepKeySecret(keeper, emptyState())
  assert.match(made, /^[a-z0-9]{40,}$/)
  assert.equal(keepKeySecret(keeper, emptyState()), made)
  assert.deepEqual([...kept], [['key-secret', made]])
})

test('another secret than the one that the journal knows is refused', () => {
  const { keeper, stateOf } = setup({ 'key-secret': 'mine' })
  assert.equal(keepKeySecret(keeper, stateOf('mine')), 'mine')
  assert.throws(() => keepKeySecret(keeper, stateOf('theirs')), {
    code: 'config_invalid',
    message: /is not the one of this network.* put the file back/,
  })
  assert.throws(() => checkKeySecret('mine', keeper, stateOf('theirs')), { code: 'config_invalid' })
})

test('a secret that is gone is not made anew: no key of the network would open anything', () => {
  const { keeper, kept, stateOf } = setup()
  assert.throws(() => keepKeySecret(keeper, stateOf('theirs')), {
    code: 'config_invalid',
    message: /is not on this machine/,
  })
  assert.throws(() => needKeySecret(keeper), { code: 'config_invalid' })
  assert.equal(kept.size, 0)
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
