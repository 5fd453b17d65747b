/** Whether this machine can render for a network, and why not. */
import { probeTaskPrograms } from '#host/probe-task-programs.ts'
import { type Check, type DoctorDeps, note, ok, warn } from './doctor-check.ts'

const NEEDED_FOR = 'rendering and other tasks of a network; without it the node serves models all the same'
const BOTH = 'apt-get install --no-install-recommends blender bubblewrap ffmpeg, then start the node again'

export async function checkRendering({ machine }: Pick<DoctorDeps, 'machine'>): Promise<Check> {
  const { blender, ffmpeg, sandboxMissing } = await probeTaskPrograms(machine)
  const line = { name: 'Rendering', neededFor: NEEDED_FOR }
  if (blender === null) return note({ ...line, found: 'no Blender' }, `To render too: ${BOTH}.`)
  if (sandboxMissing !== null)
    return warn(
      { ...line, found: `Blender ${blender}, and nothing to shut it in` },
      `It takes no rendering: ${sandboxMissing}.`,
    )
  const videos = ffmpeg === null ? 'no ffmpeg: no videos' : `ffmpeg ${ffmpeg}`
  return ok({ ...line, found: `Blender ${blender} in a sandbox, ${videos}` })
}
