/** For tests: a vault on any store, and objects in and out of it without HTTP. */
import { randomBytes } from 'node:crypto'
import { writePack } from '#blobs/pack.ts'
import type { BlobStore } from '#host/blob-store.ts'
import { scanObject } from '#host/blobs/scan-object.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { createNodeHasher } from '#host/node/node-hasher.ts'
import { BlobVault } from './blob-vault.ts'

const ASKING = { organisationId: 'ada', by: '' }

export function vaultOn(store: BlobStore, { nowMs }: { nowMs: () => number }) {
  const parts = {
    store,
    clock: { nowMs },
    crypto: nodeCrypto,
    secrets: { randomBytes: (length: number) => new Uint8Array(randomBytes(length)) },
    log: { info() {}, warn() {}, error() {} },
    createHasher: createNodeHasher,
    quotaBytes: () => 1e12,
  }
  return { parts, vault: new BlobVault(parts) }
}

export async function keepObject(vault: BlobVault, bytes: Uint8Array, asking = ASKING): Promise<string> {
  const reader = {
    bytes: bytes.length,
    read: async (offset: number, length: number) => bytes.slice(offset, offset + length),
    close: async () => undefined,
  }
  const parts = { crypto: nodeCrypto, createHasher: createNodeHasher }
  const { sha256, list } = await scanObject(parts, reader, {
    isFine: true,
    signal: new AbortController().signal,
  })
  const missing = await vault.begin(asking, sha256, list)
  const chunks: Uint8Array[] = []
  let at = 0
  for (let index = 0; index < list.count; index++) {
    chunks.push(bytes.subarray(at, at + list.lengthAt(index)))
    at += list.lengthAt(index)
  }
  if (missing.count > 0) await vault.addPack(asking, writePack(list, chunks))
  if ((await vault.commit(asking, sha256)) !== null)
    throw new Error('an object of which all was sent is not kept')
  return sha256
}

export async function readObject(vault: BlobVault, sha256: string): Promise<Uint8Array | null> {
  const reader = await vault.open('ada', sha256)
  if (!reader) return null
  const bytes = await reader.read(0, reader.bytes)
  await reader.close()
  return bytes
}
