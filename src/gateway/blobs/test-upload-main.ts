/** For a test and a bench: uploads a file, and may be killed at any moment. */

import { createBlobWire } from '#host/blobs/blob-wire.ts'
import { scanObject } from '#host/blobs/scan-object.ts'
import { uploadObjects } from '#host/blobs/upload-objects.ts'
import { nodeCompression } from '#host/node/node-compression.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { createNodeFileAccess } from '#host/node/node-file-access.ts'
import { createNodeHasher } from '#host/node/node-hasher.ts'
import { wireParts } from './test-blob-server.ts'

const [baseUrl = '', path = ''] = process.argv.slice(2)
const open = async () => {
  const reader = await createNodeFileAccess('/').open(path)
  if (!reader) throw new Error(`There is no ${path}.`)
  return reader
}
const reader = await open()
const signal = new AbortController().signal
const parts = { crypto: nodeCrypto, createHasher: createNodeHasher, compression: nodeCompression }
const scanned = await scanObject(parts, reader, { isFine: true, signal })
await reader.close()
const wire = createBlobWire({ ...wireParts(baseUrl), token: () => 'key-ada' })
await uploadObjects({ ...parts, wire }, [{ ...scanned, open, name: path }], { signal })
process.stdout.write(`${scanned.sha256}\n`)
