import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { nodeCrypto } from './node-crypto.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))

/** RFC 8032 §7.1, tests 1 to 3. */
const VECTORS = [
  {
    seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    publicKeyHex: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    message: '',
    signature:
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  },
  {
    seed: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    publicKeyHex: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    message: '72',
    signature:
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  },
  {
    seed: 'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    publicKeyHex: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    message: 'af82',
    signature:
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  },
] as const

test('ed25519 keys, signatures and verification are those of RFC 8032', () => {
  for (const { seed, publicKeyHex, message, signature } of VECTORS) {
    const pair = nodeCrypto.keyPair(bytes(seed))
    assert.deepEqual(pair, { publicKeyHex, privateKeyHex: seed })
    assert.equal(hex(nodeCrypto.sign(pair.privateKeyHex, bytes(message))), signature)
    assert.equal(nodeCrypto.verify(publicKeyHex, bytes(message), bytes(signature)), true)
  }
})

test('a wrong or malformed signature, key or message verifies as false', () => {
  const [, { publicKeyHex, message, signature }, other] = VECTORS
  const flipped = bytes(signature)
  flipped[10] = (flipped[10] ?? 0) ^ 1
  const cases: [string, Uint8Array, Uint8Array][] = [
    [publicKeyHex, bytes('73'), bytes(signature)],
    [publicKeyHex, bytes(''), bytes(signature)],
    [publicKeyHex, bytes(message), flipped],
    [publicKeyHex, bytes(message), bytes(signature).subarray(1)],
    [publicKeyHex, bytes(message), new Uint8Array(0)],
    [publicKeyHex, bytes(message), new Uint8Array(64)],
    [other.publicKeyHex, bytes(message), bytes(signature)],
    ['', bytes(message), bytes(signature)],
    ['ff'.repeat(32), bytes(message), bytes(signature)],
    [publicKeyHex.toUpperCase(), bytes(message), bytes(signature)],
    [`${publicKeyHex}00`, bytes(message), bytes(signature)],
    [publicKeyHex.replace('3', 'g'), bytes(message), bytes(signature)],
  ]
  for (const [key, data, proof] of cases) assert.equal(nodeCrypto.verify(key, data, proof), false, key)
})

test('keys beyond those that are kept parsed work alike', () => {
  const message = bytes('72')
  const pairs = Array.from({ length: 1_500 }, (_, index) => {
    const seed = new Uint8Array(32)
    new DataView(seed.buffer).setUint32(0, index)
    return nodeCrypto.keyPair(seed)
  })
  for (const pair of [...pairs, ...pairs.slice(0, 3)]) {
    assert.ok(nodeCrypto.verify(pair.publicKeyHex, message, nodeCrypto.sign(pair.privateKeyHex, message)))
  }
})

test('sha256 and HMAC are those of FIPS 180 and RFC 4231', () => {
  const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
  assert.equal(hex(nodeCrypto.sha256('abc')), abc)
  assert.equal(hex(nodeCrypto.sha256(new TextEncoder().encode('abc'))), abc)
  assert.deepEqual(nodeCrypto.sha256('ä'), nodeCrypto.sha256(new TextEncoder().encode('ä')))
  assert.equal(
    hex(nodeCrypto.hmacSha256('Jefe', 'what do ya want for nothing?')),
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  )
})

test('results own their bytes', () => {
  const digest = nodeCrypto.sha256('abc')
  assert.equal(digest.constructor, Uint8Array)
  assert.equal(digest.buffer.byteLength, 32)
})

test('the HMAC is that of OpenSSL for keys and texts of any length', () => {
  for (const keyLength of [0, 1, 52, 63, 64, 65, 200]) {
    for (const text of ['', 'sk-1', 'ключ', 'x'.repeat(1_000)]) {
      const key = 'k'.repeat(keyLength)
      const expected = createHmac('sha256', key).update(text).digest('hex')
      assert.equal(hex(nodeCrypto.hmacSha256(key, text)), expected)
      assert.equal(
        hex(nodeCrypto.hmacSha256(`ü${key}`, text)),
        createHmac('sha256', `ü${key}`).update(text).digest('hex'),
      )
    }
  }
})
