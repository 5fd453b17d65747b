/** Where the results of a render go, found out before anything is sent. */
import { Problem } from '#protocol/problem.ts'
import type { ResultDisk } from '../jobs/job-tools.ts'
import type { RenderOptions } from './render-options.ts'
import { frameName } from './render-plan.ts'

/** Of folders that are tried where none was named. */
const TRIES = 1_000

/**
 * The folder of results: the one that was named, or the first free one of `scene-frames`, `scene-frames-2`, … Rejects with the name of
 * a file that would be written over.
 */
export async function findResultPlace(
  disk: Pick<ResultDisk, 'look'>,
  { out, video, format }: Pick<RenderOptions, 'out' | 'video' | 'format'>,
  { sceneName, frames }: { readonly sceneName: string; readonly frames: readonly number[] },
): Promise<string> {
  if (video !== null && (await disk.look(video.path)) !== null) throw taken([video.path], '--video')
  const names = frames.map((frame) => frameName(frame, format))
  if (out !== null) {
    const folder = out.length > 1 ? out.replace(/\/+$/, '') : out
    const found = await disk.look(folder)
    if (found !== null && found.kind === 'file')
      throw new Problem('invalid_request', `${folder} is a file. Name a folder with --out.`)
    const others = found === null ? [] : await takenOf(disk, folder, names)
    if (others.length > 0) throw taken(others, '--out')
    return folder
  }
  for (let count = 1; count <= TRIES; count++) {
    const folder = `${sceneName}-frames${count === 1 ? '' : `-${count}`}`
    if ((await disk.look(folder)) === null) return folder
  }
  throw new Problem(
    'invalid_request',
    `There are ${TRIES} folders ${sceneName}-frames-… already. Name one with --out.`,
  )
}

async function takenOf(
  disk: Pick<ResultDisk, 'look'>,
  folder: string,
  names: readonly string[],
): Promise<string[]> {
  const others: string[] = []
  for (const name of names)
    if ((await disk.look(`${folder}/${name}`)) !== null) others.push(`${folder}/${name}`)
  return others
}

function taken(paths: readonly string[], option: string): Problem {
  const [first = ''] = paths
  const more = paths.length > 1 ? ` (and ${paths.length - 1} more of its frames)` : ''
  return new Problem(
    'conflict',
    `${first}${more} is there already and would be written over. Choose another place with ${option}, or move it away.`,
    { details: { file: first } },
  )
}
