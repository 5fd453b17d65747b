/** The real twins of what commands about jobs need of this machine. */
import { deflateSync } from 'node:zlib'
import type { JobTools } from '#cli/jobs/job-tools.ts'
import { nodeInflate } from '#host/node/node-inflate.ts'
import { createBlobClient } from './blob-client.ts'
import { createLocalScenes } from './local-scenes.ts'
import { resultDisk } from './result-disk.ts'

export const createJobTools = (): JobTools => ({
  files: (parts) => createBlobClient(parts),
  disk: resultDisk,
  scenes: createLocalScenes(),
  inflate: nodeInflate,
  deflate: (bytes) => deflateSync(bytes),
})
