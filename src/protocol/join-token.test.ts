import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { formatJoinToken, JOIN_SECRET_BYTES, parseJoinToken, secretOf } from './join-token.ts'
import { enrolProofText, fingerprintOf, linkProofText } from './network-key.ts'
import { Problem } from './problem.ts'

const sha256 = (data: Uint8Array): Uint8Array => createHash('sha256').update(data).digest()
const fingerprint = fingerprintOf({ sha256 }, 'ab'.repeat(32))
const token = formatJoinToken(new Uint8Array(JOIN_SECRET_BYTES).fill(1), fingerprint)

test('a token carries its secret and the whole fingerprint, and is read back the same', () => {
  assert.match(token, /^join-[0-9a-z]{40}\.[0-9a-z]{52}$/)
  assert.match(fingerprint, /^[0-9a-hjkmnp-tv-z]{52}$/)
  const secret = token.split('.')[0]
  assert.deepEqual(parseJoinToken(token), { secret, fingerprint })
  assert.deepEqual(parseJoinToken(` ${token}\n`), { secret, fingerprint })
  assert.equal(secretOf(token), secret)
})

test('a token of release 0.1 has no fingerprint, and is taken as it is', () => {
  const old = `join-${'a'.repeat(32)}`
  assert.deepEqual(parseJoinToken(old), { secret: old, fingerprint: null })
  assert.equal(secretOf(old), old)
  // What was never a token is for the network to refuse.
  assert.deepEqual(parseJoinToken('join-nonsense'), { secret: 'join-nonsense', fingerprint: null })
})

test('a token that lost a part is refused, wherever it was cut: it must not pass for one of release 0.1', () => {
  for (let length = 'join-'.length + 40; length < token.length; length++) {
    assert.throws(
      () => parseJoinToken(token.slice(0, length)),
      (error) =>
        error instanceof Problem && error.code === 'join_refused' && /is not whole/.test(error.message),
      `cut after ${length} of ${token.length} characters`,
    )
  }
  for (const text of [`${token}x`, `${token}.x`, `.${fingerprint}`, token.toUpperCase()]) {
    assert.throws(() => parseJoinToken(text), /is not whole/, text)
  }
})

test('what is signed is fixed to the letter: other releases verify it', () => {
  assert.equal(
    enrolProofText({ host: 'net.example', nonce: 'aa', publicKey: 'bb' }),
    'shoal network enrol 1\nnet.example\naa\nbb',
  )
  const facts = { gatewayId: 'g', gatewayNonce: 'n', nodeId: 'node', session: 7, agentNonce: 'aa', host: 'h' }
  assert.equal(
    linkProofText({ ...facts, versions: { min: 1, max: 2 }, verdict: 'admit', tlsKeys: ['k1', 'k2'] }),
    'shoal network link 1\nh\naa\ng\nn\nnode\n7\n1-2\nadmit\nk1,k2',
  )
})
