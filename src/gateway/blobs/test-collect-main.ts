/** For a test: keeps objects, gives them up and collects, until somebody kills it. Says each before it counts. */
import { randomBytes } from 'node:crypto'
import { writeSync } from 'node:fs'
import { collectionRules } from '#blobs/plan-collection.ts'
import { createDiskBlobStore } from '#host/node/disk-blob-store.ts'
import { collectBlobs } from './collect-blobs.ts'
import { keepObject, vaultOn } from './test-vault.ts'

const [folder = ''] = process.argv.slice(2)
let nowMs = 1_000_000
const vault = vaultOn(createDiskBlobStore(folder, { bytesMax: 1e12 }), { nowMs: () => nowMs })
const shared = randomBytes(30_000)
const live: string[] = []
// Ends by itself where nobody kills it.
for (let round = 0; round < 2_000; round++) {
  const sha256 = await keepObject(
    vault.vault,
    Buffer.concat([shared.subarray(0, 10_000 * (round % 3)), randomBytes(20_000)]),
  )
  live.push(sha256)
  writeSync(1, `keep ${sha256}\n`)
  nowMs += 1_000
  if (live.length > 4) {
    const dropped = live.shift() ?? ''
    writeSync(1, `drop ${dropped}\n`)
  }
  const roots = live.map((root) => ({ kind: 'object' as const, sha256: root }))
  await collectBlobs(
    { ...vault, rules: { ...collectionRules, graceMs: 1, smallPacksMax: 2 } },
    'ada',
    async () => roots,
  )
}
