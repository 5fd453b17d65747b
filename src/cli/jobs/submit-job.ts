/** A job of a job file in the form of Open Job Description, with the files that it names. */
import { parse, YAMLParseError } from 'yaml'
import { SECOND_MS } from '#kernel/time.ts'
import { Job, type NewStep, Tier } from '#protocol/job.ts'
import { Problem } from '#protocol/problem.ts'
import { parametersOf, readJobTemplate, taskPathsOf } from '#work/open-jd/read-job-template.ts'
import { exitCodes } from '../exit-codes.ts'
import { formatNoun } from '../format.ts'
import { QuietExit } from '../quiet-exit.ts'
import { askForQuote } from '../render/ask-quote.ts'
import { showPreviews } from '../render/previews.ts'
import { sendScene } from '../render/send-scene.ts'
import { endOf, watchRender } from '../render/watch-render.ts'
import { type Session, show, showFields } from '../session.ts'
import { beginJob, checkAnswerable, readBudget } from './begin-job.ts'
import { createJobClient } from './job-client.ts'
import { jobFields } from './job-fields.ts'
import { openJobFiles } from './job-files.ts'
import { lookAtScenes } from './job-scenes.ts'
import type { SubmitOptions } from './job-submit.ts'
import type { ResultDisk } from './job-tools.ts'
import { createLiveLines } from './live-lines.ts'

export async function submitJob(session: Session, file: string, options: SubmitOptions): Promise<void> {
  const { context } = session
  const startedAtMs = context.clock.elapsedMs()
  const cap = readBudget(options.budget)
  const document = parseFile(await context.readFile(file), file)
  const parameters = readParameters(options.param)
  // All that is wrong with it is said before anything is sent.
  const draft = inFile(file, () => readJobTemplate(document, { parameters, inputRoot: null }))
  checkAnswerable(session, options.yes !== true)
  const { tools, files } = await openJobFiles(session)
  const lines = createLiveLines(context)
  const root = options.folder ?? folderOf(file)
  const isWhole = options.folder !== undefined
  const wanted = { file, root, isWhole, document, parameters, steps: draft.steps }
  const named = await inputsOf(tools.disk, wanted)
  const { blender } = options
  const scenes = await lookAtScenes({ session, tools, root, isWhole, blender, steps: draft.steps })
  const sends = [...new Map([...scenes.sends, ...named].map((one) => [one.to, one])).values()]
  const sent = sends.length === 0 ? null : await sendScene({ session, files, lines }, sends)
  const { name, steps: written } = readJobTemplate(document, {
    parameters,
    inputRoot: sent?.inputRoot ?? null,
  })
  const steps = written.map((step) => scenes.complete(step, sent?.bytes ?? 0))
  const jobs = createJobClient(session)
  const body = {
    ...{ name, tier: Tier.parse(options.tier), isIdempotent: true },
    steps: steps.map((step) => ({
      ...withEstimate(step, options.estimate),
      ...(sent && { inputBytes: sent.bytes }),
    })),
  }
  const renew = () => askForQuote({ session, jobs, lines }, body)
  const quote = await renew()
  if (steps.some(({ kind }) => kind === 'blender'))
    await showPreviews({ session, tools, files, quote, folder: options.out ?? '.', startedAtMs })
  const tasks = steps.reduce((sum, step) => sum + step.tasks.length, 0)
  const what = `${formatNoun(tasks, 'task')} in ${formatNoun(steps.length, 'step')}`
  const { priority } = options
  const job = await beginJob(
    { session, jobs },
    { quote, renew, what, cap, isAsked: options.yes !== true, priority },
  )
  if (job === null) return
  const folder = options.out?.replace(/(.)\/+$/, '$1') ?? job.jobId
  const hasTaskFolders = options.taskFolders === true
  const watched = { session, tools, files, jobs, lines, job, folder, hasTaskFolders, startedAtMs }
  if (!options.watch) return endOf(watched)
  const last = await watchRender(watched)
  show(session, Job, last, () => showFields(session, jobFields(last)))
  if (last.status !== 'completed' || last.steps.some(({ failed }) => failed > 0))
    throw new QuietExit(exitCodes.failed)
}

/** What a step of a kind that is not measured is taken to last. */
const withEstimate = (step: NewStep, seconds: number): NewStep =>
  step.kind === 'blender' || step.estimateMs !== undefined
    ? step
    : { ...step, estimateMs: seconds * SECOND_MS }

function parseFile(text: string | null, file: string): unknown {
  if (text === null) throw wrong(`There is no file ${file}. Check its path.`)
  try {
    return parse(text, { maxAliasCount: 100 })
  } catch (error) {
    if (!(error instanceof YAMLParseError || error instanceof ReferenceError)) throw error
    throw wrong(`${file} is no YAML: ${error.message.split('\n')[0]?.replace(/:$/, '')}.`)
  }
}

function readParameters(texts: readonly string[]): Readonly<Record<string, string>> {
  const pairs = texts.map((text) => {
    const at = text.indexOf('=')
    if (at < 1) throw wrong(`'${text}' is no parameter. Write its name and its value: -p Frames=1-10.`)
    return [text.slice(0, at), text.slice(at + 1)] as const
  })
  return Object.fromEntries(pairs)
}

function inFile<T>(file: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'invalid_request') throw error
    throw new Problem('invalid_request', `${file}: ${error.message}`, {
      details: error.details,
      cause: error,
    })
  }
}

const folderOf = (file: string): string =>
  file.includes('/') ? file.slice(0, Math.max(1, file.lastIndexOf('/'))) : '.'

interface InputsWanted {
  readonly file: string
  /** The job's folder. */
  readonly root: string
  /** All of it is sent. */
  readonly isWhole: boolean
  readonly document: unknown
  readonly parameters: Readonly<Record<string, string>>
  readonly steps: readonly NewStep[]
}

const FILES_MAX = 20_000

/** The files of the job's folder that are sent, by what parameters and scenes name. Rejects with the name of one that is missing. */
async function inputsOf(disk: ResultDisk, wanted: InputsWanted): Promise<{ from: string; to: string }[]> {
  const { file, root, isWhole } = wanted
  const names = isWhole ? new Map([['.', true]]) : namesOf(wanted)
  const sends = new Map<string, string>()
  for (const [name, isNeeded] of names) {
    const from = name === '.' ? root : `${root}/${name}`
    const found = await disk.follow(from)
    if (found === null && !isNeeded) continue
    if (found === null)
      throw wrong(
        `There is no file ${from}, which ${file} needs. Put it there, or name another by its parameter.`,
      )
    if (found.kind === 'file') sends.set(name, from)
    else if (found.kind === 'other')
      throw wrong(
        `${from}, which ${file} needs, is neither a file nor a folder, or a link that leads nowhere. Put a file there.`,
      )
    else
      for (const below of await filesOf(disk, from))
        sends.set(name === '.' ? below : `${name}/${below}`, `${from}/${below}`)
  }
  return [...sends].map(([to, from]) => ({ from, to }))
}

async function filesOf(disk: ResultDisk, folder: string): Promise<readonly string[]> {
  const files = await disk.filesBelow(folder, FILES_MAX)
  if (files !== null) return files
  throw wrong(`${folder} has more than ${FILES_MAX} files. Name a smaller one.`)
}

/**
 * Paths below the job's folder, with whether the job cannot do without: PATH parameters of the job and of tasks that are read,
 * and the scenes of steps that render.
 */
function namesOf({ document, parameters, steps }: InputsWanted): Map<string, boolean> {
  const names = new Map<string, boolean>()
  for (const definition of parametersOf(document)) {
    if (definition.type !== 'PATH' || definition.dataFlow === 'OUT') continue
    const value = parameters[definition.name] ?? definition.default
    // What says nothing of how it flows may be the name of anything; where it lies there, it is sent.
    if (value !== undefined && value !== '') names.set(asName(String(value)), definition.dataFlow === 'IN')
  }
  for (const { kind, settings } of steps) {
    const scene = settings['file']
    if (kind === 'blender' && typeof scene === 'string') names.set(scene, true)
  }
  const taskPaths = taskPathsOf(document)
  for (const step of steps)
    for (const parameter of taskPaths.get(step.name) ?? [])
      for (const [name, isNeeded] of taskNames(step, parameter))
        names.set(name, isNeeded || names.get(name) === true)
  return names
}

const asName = (path: string): string =>
  path
    .split('/')
    .filter((part, at) => (part !== '' || at === 0) && part !== '.')
    .join('/') || '.'

/** What a step's tasks read by that parameter; what comes from steps before lies below their names. */
function taskNames({ tasks, dependsOn, settings }: NewStep, parameter: string): [string, boolean][] {
  // A raw value may as well be the name of what a task is to make.
  const isRead = JSON.stringify(settings).includes(`{{Shoal.Inputs}}/{{Task.RawParam.${parameter}}}`)
  return tasks.flatMap(({ [parameter]: value }): [string, boolean][] => {
    if (typeof value !== 'string' || value === '') return []
    const name = asName(value)
    return dependsOn.includes(name.split('/')[0] ?? '') ? [] : [[name, isRead]]
  })
}

const wrong = (message: string): Problem => new Problem('invalid_request', message)
