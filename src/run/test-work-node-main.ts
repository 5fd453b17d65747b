/** For tests: a node in a process of its own, to be killed. Its engine makes a file of noise, as large as the task says. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TaskEngine } from '#engines/task-engine.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { createRandom } from '#kernel/random.ts'
import { openNode } from './test-work-cell.ts'

const noise: TaskEngine = {
  kind: 'command',
  open: async () => ({
    async run({ params, outFolder }) {
      const random = createRandom(Number(params['seed']))
      const bytes = Buffer.alloc(Number(params['bytes']))
      for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(random.int(2 ** 32), at)
      writeFileSync(join(outFolder, 'noise.bin'), bytes)
      const sha256 = Buffer.from(nodeCrypto.sha256(bytes)).toString('hex')
      return {
        files: [{ name: 'noise.bin', bytes: bytes.length, sha256 }],
        wallMs: 1,
        cpuMs: 1,
        peakBytes: 0,
        notes: {},
      }
    },
    close: async () => undefined,
  }),
}

await openNode(JSON.parse(process.argv[2] ?? '{}'), [noise])
setInterval(() => undefined, 1_000)
