/**
 * Results of a job, fetched into a folder as they are done. Nothing that is another's is written over: a file with the
 * same name and other bytes ends it, unless the record beside says that it came from this job. A file gets its name when it is
 * whole, and what broke off goes on.
 */
import { wrongPath } from '#blobs/tree.ts'
import { Problem } from '#protocol/problem.ts'
import type { Session } from '../session.ts'
import { type FetchPlace, fetchCommand } from './fetch-command.ts'
import { eachTask, type JobClient, type JobFacts, type TaskFacts } from './job-client.ts'
import type { JobFiles, ResultDisk } from './job-tools.ts'
import { patiently } from './patience.ts'

export interface ResultsInput {
  readonly session: Pick<Session, 'context' | 'signal'>
  readonly jobs: Pick<JobClient, 'listJobTasks'>
  readonly files: Pick<JobFiles, 'fetchFile'>
  readonly disk: ResultDisk
  readonly jobId: string
  /** As it is shown; results lie below it. */
  readonly folder: string
  /** Where the one file of a step goes instead, by the step's name. */
  readonly instead?: ReadonlyMap<string, string>
  /** Each task's files in a folder of its own. */
  readonly hasTaskFolders?: boolean
  onFile?(file: ResultFile): Promise<void>
}

export interface ResultFile {
  readonly path: string
  readonly bytes: number
  readonly sha256: string
  readonly step: string
  readonly params: TaskFacts['params']
}

export interface Results {
  /** Fetches what is done and not here. `isFinal` looks through all, as results may have been replaced. */
  sync(job: JobFacts, options?: { readonly isFinal?: boolean }): Promise<void>
  readonly files: readonly ResultFile[]
  readonly bytes: number
}

/** What is put into a result folder beside the results: parts of files, and which file came from which job. */
const OWN_FOLDER = '.shoal'

export function createResults(input: ResultsInput): Results {
  const { disk, jobId, session } = input
  const jobs: ResultsInput['jobs'] = {
    listJobTasks: (...asked) => patiently(session, () => input.jobs.listJobTasks(...asked)),
  }
  const here = new Map<string, ResultFile>()
  const owners = new Map<string, string>()
  const doneBefore = new Map<number, number>()
  let record: Promise<Set<string>> | null = null

  async function take(job: JobFacts, task: TaskFacts, output: TaskFacts['outputs'][number]): Promise<void> {
    const path = placeOf(input, job, task, output.name)
    claim(owners, path, { job, task, name: output.name })
    if (here.get(path)?.sha256 === output.sha256) return
    const step = job.steps[task.step]?.name ?? ''
    const file = { path, bytes: output.bytes, sha256: output.sha256, step, params: task.params }
    record ??= readRecord(disk, recordOf(input))
    const place = recordedAs(input, path)
    if (!(await isHere(disk, file, { place, record: await record }))) {
      await fetchNew(input, file)
      await disk.append(recordOf(input), `${output.sha256} ${place}`)
      ;(await record).add(`${output.sha256} ${place}`)
      here.set(path, file)
      await input.onFile?.(file)
    } else {
      // Of a program that ended between the two names.
      await disk.remove(partOf(input, file))
      here.set(path, file)
    }
  }

  return {
    get files() {
      return [...here.values()]
    },
    get bytes() {
      return [...here.values()].reduce((sum, { bytes }) => sum + bytes, 0)
    },
    async sync(job, { isFinal = false } = {}) {
      try {
        for (const [index, step] of job.steps.entries()) {
          if (!isWanted(job, step) || (!isFinal && doneBefore.get(index) === step.done)) continue
          for await (const task of eachTask(jobs, jobId, { step: index, state: 'done' })) {
            for (const output of task.outputs) await take(job, task, output)
          }
          doneBefore.set(index, step.done)
        }
      } catch (error) {
        throw withWayOn(error, input, job)
      }
    },
  }
}

/** Parts of a picture that another step puts together are no results. */
export const isWanted = ({ steps }: JobFacts, { name }: { readonly name: string }): boolean =>
  !steps.some(({ kind, dependsOn }) => kind === 'blender' && dependsOn.includes(name))

/** Steps of one kind name their files alike, so each gets a folder where there are several. */
function placeOf(
  { folder, instead, hasTaskFolders }: ResultsInput,
  job: JobFacts,
  task: TaskFacts,
  name: string,
): string {
  const step = job.steps[task.step]
  const wrong = wrongPath([name])
  if (wrong)
    throw new Problem(
      'conflict',
      `Task ${task.task} of ${step?.name} made a file that is not taken: ${wrong} Reject it: shoal job reject ${job.jobId}/${task.step}/${task.task}`,
    )
  const place = instead?.get(step?.name ?? '')
  if (place !== undefined) return place
  const isOneOfMany =
    job.steps.filter((other) => isWanted(job, other) && other.kind === step?.kind).length > 1
  return [
    folder,
    ...(isOneOfMany ? [step?.name ?? ''] : []),
    ...(hasTaskFolders ? [String(task.task)] : []),
    name,
  ].join('/')
}

function claim(
  owners: Map<string, string>,
  path: string,
  { job, task, name }: { job: JobFacts; task: TaskFacts; name: string },
): void {
  const owner = `${task.step}/${task.task}`
  const other = owners.get(path) ?? owner
  if (other !== owner)
    throw new Problem(
      'conflict',
      `Two tasks of ${job.steps[task.step]?.name} (${other} and ${owner}) made a file named ${name}. Fetch them with --task-folders, which gives each task a folder of its own.`,
    )
  owners.set(path, owner)
}

const recordOf = ({ folder, jobId }: ResultsInput): string => `${folder}/${OWN_FOLDER}/${jobId}`

/** From the result folder, so that it is the same wherever somebody stands; what goes elsewhere by its whole path. */
function recordedAs({ disk, folder }: Pick<ResultsInput, 'disk' | 'folder'>, path: string): string {
  const [whole, below] = [disk.absolute(path), `${disk.absolute(folder).replace(/\/$/, '')}/`]
  return whole.startsWith(below) ? whole.slice(below.length) : whole
}

/** Whether this job left bytes with this hash there. Records of earlier releases have the path as it was typed then. */
const isRecorded = (
  record: ReadonlySet<string>,
  { sha256, place, path }: { sha256: string; place: string; path: string },
): boolean =>
  record.has(`${sha256} ${place}`) ||
  record.has(`${sha256} ${path}`) ||
  [...record].some((line) => line.startsWith(`${sha256} `) && line.endsWith(`/${place}`))

const partOf = ({ folder }: Pick<ResultsInput, 'folder'>, { sha256 }: ResultFile): string =>
  `${folder}/${OWN_FOLDER}/${sha256}`

async function readRecord(disk: ResultDisk, path: string): Promise<Set<string>> {
  const bytes = await disk.read(path)
  return new Set(bytes === null ? [] : new TextDecoder().decode(bytes).split('\n'))
}

/** True when it is there as it should be. What this job left there before another result took its place goes. */
async function isHere(
  disk: ResultDisk,
  { path, bytes, sha256 }: ResultFile,
  { place, record }: { readonly place: string; readonly record: ReadonlySet<string> },
): Promise<boolean> {
  const found = await disk.look(path)
  if (found === null) return false
  if (found.kind !== 'file') throw taken(path)
  const there = await disk.sha256(path)
  if (there === sha256 && found.bytes === bytes) return true
  if (!isRecorded(record, { sha256: there, place, path })) throw taken(path)
  await disk.remove(path)
  return false
}

async function fetchNew({ session, files, disk, folder }: ResultsInput, file: ResultFile): Promise<void> {
  const { sha256, path } = file
  const part = partOf({ folder }, file)
  const { signal } = session
  await patiently(session, () => files.fetchFile({ sha256, object: sha256, form: 'plain' }, part, { signal }))
  if (!(await disk.give(part, path))) throw taken(path)
}

const taken = (path: string): Problem =>
  new Problem(
    'conflict',
    `${path} is there already and is not this job's, so it was left as it is. Move it away, or choose another folder with --out.`,
    { details: { file: path } },
  )

function withWayOn(error: unknown, place: FetchPlace, { status }: JobFacts): unknown {
  if (!(error instanceof Problem) || error.code !== 'disk_full') return error
  const file = error.details['file'] ?? place.folder
  return new Problem(
    'disk_full',
    `The disk is full: ${file} could not be written. Free some space, then get the rest: ${fetchCommand(place)}. ${status === 'active' ? 'The job goes on, and nothing of it' : 'Nothing of the job'} is lost.`,
    { details: error.details, cause: error },
  )
}
