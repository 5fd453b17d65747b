import {
  createPrivateKey,
  createPublicKey,
  sign as edSign,
  verify as edVerify,
  hash,
  type KeyObject,
} from 'node:crypto'
import type { Crypto } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'

/** DER of an ed25519 private (PKCS #8, RFC 8410 §7) or public key (SPKI, §4), up to where the 32 raw bytes stand. */
const PRIVATE_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const PUBLIC_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

const KEY_HEX = /^[0-9a-f]{64}$/
const SIGNATURE_BYTES = 64

/** Parsing a key costs a third of a verification: the last used ones are kept parsed. */
const KEYS_KEPT_MAX = 1_024

/** `Crypto` by OpenSSL, synchronous. Hashes and signatures are plain `Uint8Array`s. */
export const nodeCrypto: Crypto = createNodeCrypto()

function createNodeCrypto(): Crypto {
  const privateKeys = keepLastUsed((hex) => privateKeyFrom(hex))
  const publicKeys = keepLastUsed((hex) => publicKeyFrom(hex))
  const pads = keepLastUsed((key) => hmacPads(key))
  return {
    sha256: (data) => plain(hash('sha256', data, 'buffer')),
    sha256Text: (data) => hash('sha256', data, 'base64url'),
    hmacSha256: (key, data) => plain(hmac(pads(key), data)),
    keyPair(seed) {
      assert(seed.length === 32, `an ed25519 seed is 32 bytes, not ${seed.length}`)
      const privateKeyHex = Buffer.from(seed).toString('hex')
      const spki = createPublicKey(privateKeyFrom(privateKeyHex)).export({ format: 'der', type: 'spki' })
      return { publicKeyHex: spki.subarray(PUBLIC_PREFIX.length).toString('hex'), privateKeyHex }
    },
    sign(privateKeyHex, message) {
      assert(KEY_HEX.test(privateKeyHex), 'a private key is 32 bytes in lower-case hex')
      return plain(edSign(null, message, privateKeys(privateKeyHex)))
    },
    verify(publicKeyHex, message, signature) {
      if (!KEY_HEX.test(publicKeyHex) || signature.length !== SIGNATURE_BYTES) return false
      return edVerify(null, message, publicKeys(publicKeyHex), signature)
    },
  }
}

const privateKeyFrom = (hex: string): KeyObject =>
  createPrivateKey({
    key: Buffer.concat([PRIVATE_PREFIX, Buffer.from(hex, 'hex')]),
    format: 'der',
    type: 'pkcs8',
  })

const publicKeyFrom = (hex: string): KeyObject =>
  createPublicKey({
    key: Buffer.concat([PUBLIC_PREFIX, Buffer.from(hex, 'hex')]),
    format: 'der',
    type: 'spki',
  })

/** `make`, with its last used results kept: a map lists its keys in the order they were set. */
function keepLastUsed<T>(make: (hex: string) => T): (hex: string) => T {
  const kept = new Map<string, T>()
  return (hex) => {
    const key = kept.get(hex) ?? make(hex)
    kept.delete(hex)
    kept.set(hex, key)
    const [oldest] = kept.keys()
    if (kept.size > KEYS_KEPT_MAX && oldest !== undefined) kept.delete(oldest)
    return key
  }
}

const HMAC_BLOCK_BYTES = 64
const SHA256_BYTES = 32

/** A key's two blocks, by which its text and then the hash of that are preceded; behind the outer is room for that hash. */
interface HmacPads {
  readonly inner: Buffer
  readonly outer: Buffer
}

/** RFC 2104. */
function hmacPads(key: string): HmacPads {
  const bytes = Buffer.from(key)
  const short = bytes.length > HMAC_BLOCK_BYTES ? hash('sha256', bytes, 'buffer') : bytes
  const inner = Buffer.alloc(HMAC_BLOCK_BYTES, 0x36)
  const outer = Buffer.alloc(HMAC_BLOCK_BYTES + SHA256_BYTES, 0x5c)
  for (const [index, byte] of short.entries()) {
    inner[index] = byte ^ 0x36
    outer[index] = byte ^ 0x5c
  }
  return { inner, outer }
}

/** By two hashes at once, a fifth of what `createHmac` takes: each call of the API is told by one. */
function hmac({ inner, outer }: HmacPads, data: string): Buffer {
  const text = Buffer.allocUnsafe(HMAC_BLOCK_BYTES + Buffer.byteLength(data))
  inner.copy(text)
  text.write(data, HMAC_BLOCK_BYTES)
  // As text: a buffer of the result would take longer than the hash.
  outer.write(hash('sha256', text, 'binary'), HMAC_BLOCK_BYTES, 'binary')
  return Buffer.from(hash('sha256', outer, 'binary'), 'binary')
}

/** A `Buffer` may be a window into a shared pool and compares unlike a `Uint8Array`. */
const plain = (buffer: Buffer): Uint8Array => new Uint8Array(buffer)
