import { quoted } from '../quoted.ts'
import { VIDEO_STEP } from '../render/render-plan.ts'

/** Where results of a job go. */
export interface FetchPlace {
  readonly jobId: string
  readonly folder: string
  readonly hasTaskFolders?: boolean
  /** Where the one file of a step goes instead of the folder, by the step's name. */
  readonly instead?: ReadonlyMap<string, string>
}

/** The command that gets what is not here yet, to the same places. */
export function fetchCommand({ jobId, folder, hasTaskFolders = false, instead }: FetchPlace): string {
  const video = instead?.get(VIDEO_STEP)
  return [
    `shoal job fetch ${jobId} --out ${quoted(folder)}`,
    ...(video === undefined ? [] : [`--video ${quoted(video)}`]),
    ...(hasTaskFolders ? ['--task-folders'] : []),
  ].join(' ')
}
