/**
 * A look at a scene by the Blender of this machine, before anything is sent: in the sandbox that nodes have too, where one can
 * be made, with the scene where it lies. Whether files outside its folder are there is looked up outside of the sandbox;
 * then a further look sees them too, for pictures have a size, and libraries read files of their own.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, realpath, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { SceneQuestion, SceneReader, SceneReport } from '#cli/jobs/job-tools.ts'
import { formatFrames } from '#cli/render/frame-ranges.ts'
import { parseBlenderVersion, whyUnreadable } from '#engines/blender/blend-header.ts'
import { createBlenderEngine } from '#engines/blender/blender-engine.ts'
import { Inspection, makePreflight } from '#engines/blender/preflight.ts'
import type { Machine } from '#host/machine.ts'
import { nodeClock } from '#host/node/node-clock.ts'
import { nodeInflate } from '#host/node/node-inflate.ts'
import { createNodeMachine } from '#host/node/node-machine.ts'
import { createNodePrograms } from '#host/node/node-programs.ts'
import { nodeTaskFiles } from '#host/node/node-task-files.ts'
import { whyNoSandbox } from '#host/probe-task-programs.ts'
import { SECOND_MS } from '#kernel/time.ts'
import { Problem } from '#protocol/problem.ts'
import { placeOfBlender } from './program-place.ts'
import { resultDisk } from './result-disk.ts'
import { readSceneHeader } from './scene-header.ts'

const ASK_MS_MAX = 60 * SECOND_MS
/** A library in a library in a library: more looks than that find nothing new in any scene that was seen. */
const LOOKS_MAX = 6
const FILES_MAX = 20_000
/** That one further look sees: each is an argument of the sandbox. */
const FOLDERS_MAX = 100

type Found = Inspection['files'][number]

export const createLocalScenes = (machine: Machine = createNodeMachine()): SceneReader => ({
  async inspect(question) {
    try {
      // What a scene names lies beside the scene itself, not beside a link to it.
      const file = await realpath(question.file).catch(() => question.file)
      return await inspectScene({ ...question, file }, machine)
    } catch (error) {
      // Ctrl-C in a terminal ends Blender too, and whatever we were told of it then is no news.
      if (!question.signal.aborted) throw error
      const message =
        'Interrupted. The scene was only being looked through: nothing is sent, and nothing is owed.'
      throw new Problem('cancelled', message, { cause: error })
    }
  },
})

async function inspectScene(question: SceneQuestion, machine: Machine): Promise<SceneReport> {
  const { file } = question
  // What is no scene is said without any Blender.
  const header = await readSceneHeader(file)
  const version = await findBlender(machine, question.blender)
  const unreadable = whyUnreadable(header, { file, version })
  if (unreadable !== null) throw new Problem('invalid_request', unreadable)
  const sandboxMissing = await whyNoSandbox(machine)
  const isBoxed = sandboxMissing === null
  const inspection = await lookUntilAllIsSeen({ question, machine, isBoxed })
  const { sends, ...preflight } = makePreflight(inspection, file)
  return {
    ...preflight,
    sends: await filesOf(sends),
    facts: inspection.facts,
    blenderVersion: version.name,
    sandboxMissing,
  }
}

async function findBlender(machine: Machine, program: string) {
  const said = await machine.run(program, ['--version'], { timeoutMs: ASK_MS_MAX })
  const version = typeof said === 'string' ? null : parseBlenderVersion(said.stdout)
  if (version !== null) return version
  throw new Problem(
    'engine_missing',
    `There is no Blender here that '${program}' would start, and a scene is looked through before it is sent. Install the package blender (apt-get install --no-install-recommends blender), or name another with --blender PATH.`,
  )
}

interface Looking {
  readonly question: SceneQuestion
  readonly machine: Machine
  readonly isBoxed: boolean
}

async function lookUntilAllIsSeen(looking: Looking): Promise<Inspection> {
  const root = dirname(looking.question.file)
  const alsoSees: string[] = []
  for (let look = 1; ; look++) {
    const inspection = await lookOnce(looking, alsoSees)
    const files = await Promise.all(inspection.files.map(asItIsHere))
    const folders = files
      .filter(({ isThere, path }) => isThere && !isBelow(root, path))
      .map(({ path }) => dirname(path))
      .filter((folder) => !alsoSees.some((seen) => seen === folder || isBelow(seen, folder)))
    if (!looking.isBoxed || folders.length === 0 || look === LOOKS_MAX) return { ...inspection, files }
    alsoSees.push(...[...new Set(folders)].slice(0, FOLDERS_MAX))
  }
}

const isBelow = (folder: string, path: string): boolean =>
  path.startsWith(folder.endsWith('/') ? folder : `${folder}/`)

/** The sandbox shows the scene's folder alone. */
async function asItIsHere(file: Found): Promise<Found> {
  const facts = await stat(file.path).catch(() => null)
  return { ...file, isThere: facts !== null, bytes: facts?.isFile() ? facts.size : 0 }
}

async function lookOnce(
  { question, machine, isBoxed }: Looking,
  alsoSees: readonly string[],
): Promise<Inspection> {
  const scratchFolder = await mkdtemp(join(tmpdir(), 'shoal-look-'))
  const engine = createBlenderEngine(
    {
      ...(isBoxed ? placeOfBlender(question.blender) : { program: question.blender }),
      sandbox: isBoxed ? 'bubblewrap' : 'none',
      scratchFolder,
      threads: null,
      memoryBytesMax: null,
      allowsScripts: false,
      inPlace: { alsoSees },
    },
    {
      programs: createNodePrograms(),
      files: nodeTaskFiles,
      inflate: nodeInflate,
      machine,
      clock: nodeClock,
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      secrets: { randomBytes: (length) => randomBytes(length) },
    },
  )
  const { file, scene, frames, signal } = question
  try {
    const settings = { file: basename(file), ...(scene !== undefined && { scene }) }
    const session = await engine.open({ root: dirname(file), settings })
    const params = { do: 'inspect', ...(frames && { frames: formatFrames(frames, frames.length) }) }
    const task = { params, outFolder: join(scratchFolder, 'made') }
    const { notes } = await session.run(task, () => undefined, signal).finally(() => session.close())
    return Inspection.parse(notes['inspection'])
  } catch (error) {
    throw inOwnWords(error, file)
  } finally {
    await rm(scratchFolder, { recursive: true, force: true })
  }
}

/** What the engine says to a node's owner, said to whoever made the scene. */
function inOwnWords(error: unknown, file: string): unknown {
  if (!(error instanceof Problem) || error.code === 'cancelled') return error
  const said = error.message.replace(`${basename(file)}: `, '')
  return new Problem('invalid_request', `${file} cannot be rendered: ${said}`, { cause: error })
}

/** Folders as the files that are in them. */
async function filesOf(sends: SceneReport['sends']): Promise<SceneReport['sends']> {
  const files: { from: string; to: string }[] = []
  for (const { from, to } of sends) {
    if (!(await stat(from)).isDirectory()) files.push({ from, to })
    else
      for (const name of await namesBelow(from)) files.push({ from: join(from, name), to: `${to}/${name}` })
  }
  return [...new Map(files.map((file) => [file.to, file])).values()]
}

/** Through links, as Blender reads them: caches are often kept on another disk. */
async function namesBelow(folder: string): Promise<readonly string[]> {
  const names = await resultDisk.filesBelow(folder, FILES_MAX)
  if (names !== null) return names
  throw new Problem(
    'invalid_request',
    `${folder} has more than ${FILES_MAX} files, and a scene may have no more with all that it reads. Bake fewer frames into it, or take out what the scene does not need.`,
  )
}
