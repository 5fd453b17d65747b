/** Which of the files that a program left are results, handed over: what it left is hostile until then. */
import type { TaskFiles } from '#host/task-files.ts'
import { failureProblem } from '#protocol/task-failure.ts'
import { TASK_OUTPUTS_MAX } from '#protocol/work-link.ts'
import { pathsLike } from '../glob.ts'
import type { TaskFile } from '../task-engine.ts'

const ENTRIES_MAX = 100_000
const NAME_CHARS_MAX = 500
const FILE_BYTES_MAX = 64 * 2 ** 30

/** Rejects with the task's failure when there are too many, or one cannot be taken. Links are no files. */
export async function takeOutputs(
  patterns: readonly string[],
  { from, to, files }: { from: string; to: string; files: TaskFiles },
): Promise<readonly TaskFile[]> {
  const names = await files.filesBelow(from, ENTRIES_MAX)
  if (names === null) throw wrong(`It left more than ${ENTRIES_MAX} files.`)
  const wanted = pathsLike(patterns, names)
  if (wanted === null)
    throw wrong(
      'It left names that are too many and too long for the patterns of its outputs: say them shorter.',
    )
  const strange = wanted.find((name) => name.length > NAME_CHARS_MAX || hasControls(name))
  if (strange !== undefined)
    throw wrong(`It left a file with a name that cannot be kept: ${JSON.stringify(strange.slice(0, 100))}.`)
  if (wanted.length > TASK_OUTPUTS_MAX)
    throw wrong(
      `It left ${wanted.length} files, and a task has ${TASK_OUTPUTS_MAX} at most: pack them, or say by the step's outputs which count.`,
    )
  const taken: TaskFile[] = []
  for (const name of wanted) {
    const folder = name.lastIndexOf('/')
    if (folder !== -1) await files.makeFolder(`${to}/${name.slice(0, folder)}`)
    const file = await files.collect({ from, to, name, bytesMax: FILE_BYTES_MAX })
    if (file === null) throw wrong(`The file ${name} that it left cannot be read.`)
    taken.push(file)
  }
  return taken
}

/** Characters below a blank, and bytes that were no text and read as a replacement. */
const hasControls = (name: string): boolean =>
  [...name].some((character) => character < ' ' || character === '\u007f' || character === '\ufffd')

const wrong = (message: string) => failureProblem('task', 'engine_failed', message)
