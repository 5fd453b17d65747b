import { createHash, createHmac } from 'node:crypto'
import type { Crypto, Host, Log } from '#host/host.ts'
import { forkRandom, type Random } from '#kernel/random.ts'
import type { SimBus } from './sim-bus.ts'
import type { SimDisk } from './sim-disk.ts'
import type { SimNetwork } from './sim-network.ts'
import type { SimProcess } from './sim-process.ts'

export const sha256Hex = (data: Uint8Array | string): string =>
  createHash('sha256').update(data).digest('hex')

const privateKeys = new Map<string, string>()

/**
 * Real hashes; signatures that only the holder of the key can make, by the rules of the simulation: a thousandth of
 * the time that ed25519 takes, which the tests of the real `Crypto` cover.
 */
export const simCrypto: Crypto = {
  sha256: (data) => createHash('sha256').update(data).digest(),
  hmacSha256: (key, data) => createHmac('sha256', key).update(data).digest(),
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
  return createHash('sha256').update(privateKeyHex).update(message).digest()
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
    secrets: disk.secrets((length) => Uint8Array.from({ length }, () => secretRandom.int(256))),
    crypto: simCrypto,
    network: network.port(process),
    journals: disk.journals(process),
    blobs: disk.blobs(process),
    bus: bus.port(process),
    log: parts.log ?? silent,
  }
}
