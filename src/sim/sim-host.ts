import { createHmac, hash } from 'node:crypto'
import type { Crypto, Host, Log } from '#host/host.ts'
import { forkRandom, type Random } from '#kernel/random.ts'
import type { SimBus } from './sim-bus.ts'
import type { SimDisk } from './sim-disk.ts'
import type { SimNetwork } from './sim-network.ts'
import type { SimProcess } from './sim-process.ts'

export const sha256Hex = (data: Uint8Array | string): string => hash('sha256', data, 'hex')

const privateKeys = new Map<string, string>()

/**
 * Real hashes; signatures that only the holder of the key can make, by the rules of the simulation: a thousandth of
 * the time that ed25519 takes, which the tests of the real `Crypto` cover.
 */
export const simCrypto: Crypto = {
  sha256: (data) => Buffer.from(hash('sha256', data, 'hex'), 'hex'),
  hmacSha256: hmac,
  keyPair(seed) {
    const privateKeyHex = Buffer.from(seed).toString('hex')
    const publicKeyHex = sha256Hex(privateKeyHex)
    privateKeys.set(publicKeyHex, privateKeyHex)
    return { publicKeyHex, privateKeyHex }
  },
  sign,
  verify(publicKeyHex, message, signature) {
    const privateKeyHex = privateKeys.get(publicKeyHex)
    if (privateKeyHex === undefined) return false
    return sign(privateKeyHex, message).equals(signature)
  },
}

/** The hash of key and message: nobody in here extends messages. */
function sign(privateKeyHex: string, message: Uint8Array): Buffer {
  const text =
    privateKeyHex + Buffer.from(message.buffer, message.byteOffset, message.length).toString('latin1')
  return Buffer.from(hash('sha256', text, 'hex'), 'hex')
}

/** Callers show the same few keys again and again. */
const hmacs = new Map<string, Buffer>()
const HMACS_KEPT = 10_000

function hmac(key: string, data: string): Buffer {
  const known = hmacs.get(`${key} ${data}`)
  if (known) return known
  if (hmacs.size >= HMACS_KEPT) hmacs.clear()
  const made = createHmac('sha256', key).update(data).digest()
  hmacs.set(`${key} ${data}`, made)
  return made
}

/** Four bytes a draw: networks that lose gateways make many nonces. */
function bytesFrom(random: Random, length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4))
  for (let index = 0; index < words.length; index++) words[index] = random.int(0x1_0000_0000)
  return new Uint8Array(words.buffer, 0, length)
}

const silent: Log = { info() {}, warn() {}, error() {} }

/** The outside world of one simulated process. */
export function createSimHost(parts: {
  process: SimProcess
  random: Random
  disk: SimDisk
  network: SimNetwork
  bus: SimBus
  log?: Log
}): Host {
  const { process, disk, network, bus } = parts
  const random = forkRandom(parts.random)
  const secretRandom = forkRandom(parts.random)
  return {
    clock: process.clock(),
    random,
    secrets: disk.secrets((length) => bytesFrom(secretRandom, length)),
    crypto: simCrypto,
    network: network.port(process),
    journals: disk.journals(process),
    blobs: disk.blobs(process),
    bus: bus.port(process),
    log: parts.log ?? silent,
  }
}
