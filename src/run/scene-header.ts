/** The head of a .blend file on this machine, unpacked where it is packed. */
import { type BlendHeader, HEADER_BYTES, readBlendHeader } from '#engines/blender/blend-header.ts'
import { nodeCompression } from '#host/node/node-compression.ts'
import { createNodeFileAccess } from '#host/node/node-file-access.ts'
import { Problem } from '#protocol/problem.ts'

const UNPACKED_BYTES_MAX = 2 ** 40

/** Rejects with one sentence for a file that is not there, or cannot be read, or is packed and damaged. */
export async function readSceneHeader(file: string): Promise<BlendHeader> {
  const reader = await createNodeFileAccess('/nowhere').open(file)
  if (reader === null)
    throw new Problem(
      'invalid_request',
      `There is no file ${file}. Check its path, and save the scene in Blender first.`,
    )
  try {
    const header = readBlendHeader(await reader.read(0, HEADER_BYTES))
    if (header.kind !== 'compressed') return header
    for await (const piece of nodeCompression.unpack(reader, header.by, UNPACKED_BYTES_MAX)) {
      const inside = readBlendHeader(piece.subarray(0, HEADER_BYTES))
      return inside.kind === 'blend'
        ? inside
        : { kind: 'other', looksLike: `something else, packed by ${header.by}` }
    }
    return { kind: 'other', looksLike: 'an empty file' }
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'invalid_request') throw error
    const message = `${file} is packed like a .blend file, and is damaged: save the scene in Blender again.`
    throw new Problem('invalid_request', message, { cause: error })
  } finally {
    await reader.close()
  }
}
