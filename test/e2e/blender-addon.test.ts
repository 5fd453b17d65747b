import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

const root = join(import.meta.dirname, '../..')
const addon = join(root, 'addons/blender/shoal_render.py')
const driver = join(root, 'test/scenes/drive_addon.py')
const skip = spawnSync('blender', ['--version']).status !== 0 && 'no blender'

test('the add-on submits the open scene, shows how far it is and brings the frames home', {
  skip,
}, async () => {
  const { drive, folder, calls, words, url, program, show } = await setup()
  show({ status: 'active', progress: 0.25 })
  const answers = await drive([
    { do: 'preferences', values: { url, key: 'key_secret', program } },
    { do: 'engine', engine: 'CYCLES' },
    { do: 'submit' },
    { do: 'save', path: join(folder, 'shot.blend') },
    { do: 'settings', values: { frames: '-2-6', budget: 0.5, wants_video: true } },
    { do: 'submit' },
    { do: 'wait', until: 'done' },
    { do: 'tick' },
    { do: 'change' },
    { do: 'submit' },
    { do: 'wait', until: 'done' },
  ])
  assert.match(answers[2]?.error ?? '', /Save the file first/)
  assert.deepEqual(answers[5]?.result, ['FINISHED'])
  const seen = answers[6]?.seen ?? []
  const last = seen.at(-1)
  assert.deepEqual([last?.stage, last?.progress, last?.job_id], ['done', 1, 'job_1'])
  assert.match(last?.text ?? '', /^Done. The frames are in .*shoal-frames\.$/)
  assert.deepEqual(last?.warnings, ['the scene has a denoiser'])
  const running = seen.find(({ stage, progress }) => stage === 'running' && progress === 0.25)
  assert.equal(running?.text, '12 of 49 tasks, 2 nodes, $0.0123 of $0.5, about 2 min left')
  const frames = join(folder, 'shoal-frames')
  // The Blender that the scene is open in: another may be too old for it.
  assert.match(words[0]?.at(-1) ?? '', /^--blender=\/.*blender/)
  assert.deepEqual(words[0]?.slice(0, -1), [
    '--json',
    'render',
    join(folder, 'shot.blend'),
    '--yes',
    '--out',
    frames,
    '--frames=-2-6',
    '--budget=0.5',
    `--video=${join(frames, 'video.mp4')}`,
  ])
  assert.deepEqual(words[1], ['job', 'fetch', 'job_1', '--out', frames, '--watch'])
  assert(calls.every(({ path, key }) => path === '/api/jobs/job_1' && key === 'Bearer key_secret'))
  // With changes, a copy beside the file goes, and is gone afterwards.
  const copy = words.findLast(([, word]) => word === 'render')?.[2] ?? ''
  assert.match(copy, /shot\.shoal-\d+\.blend$/)
  assert.deepEqual(
    answers.at(-2)?.files?.filter((name) => name.endsWith('.blend')),
    ['shot.blend'],
  )
  assert.deepEqual(answers.at(-1), { isGone: true })
})

test('a pause ends the fetch, which goes on with the job; and whatever it says, nobody has to read it', {
  skip,
}, async () => {
  const { drive, folder, words, url, pausing, show, fetchesEnded } = await setup()
  // Each run of `fetch --watch` comes to its end only when all that it says was read.
  show({ status: 'active', progress: 0.25 }, { endsAfter: Number.POSITIVE_INFINITY })
  let looks = 0
  show.next(() => {
    if (++looks > 20 || fetchesEnded() > 1) return 'completed'
    return fetchesEnded() === 1 && looks % 3 === 0 ? 'paused' : 'active'
  })
  const answers = await drive([
    { do: 'save', path: join(folder, 'shot.blend') },
    { do: 'engine', engine: 'CYCLES' },
    { do: 'preferences', values: { url, key: 'key', program: pausing } },
    { do: 'submit' },
    { do: 'wait', until: 'done' },
  ])
  const last = answers[4]?.seen?.at(-1)
  assert.deepEqual([last?.stage, fetchesEnded() > 1, looks <= 20], ['done', true, true], last?.text)
  const fetches = words.filter(([, word]) => word === 'fetch')
  assert.deepEqual([fetches[0]?.at(-1), fetches.at(-1)?.at(-1)], ['--watch', join(folder, 'shoal-frames')])
})

test('what goes wrong is reported in a sentence, and a job that runs can be cancelled', {
  skip,
}, async () => {
  const { drive, folder, calls, url, program, failing, show } = await setup()
  show({ status: 'active', progress: 0.25 }, { endsAfter: Number.POSITIVE_INFINITY })
  const scene = [
    { do: 'save', path: join(folder, 'shot.blend') },
    { do: 'engine', engine: 'CYCLES' },
  ]
  const answers = await drive([
    ...scene,
    { do: 'preferences', values: { url, key: 'key', program: join(folder, 'nowhere') } },
    { do: 'submit' },
    { do: 'preferences', values: { program: failing } },
    { do: 'submit' },
    { do: 'wait', until: 'failed' },
    { do: 'tick' },
    { do: 'preferences', values: { program } },
    { do: 'submit' },
    { do: 'wait', until: 'running' },
    { do: 'cancel' },
    { do: 'wait', until: 'cancelled' },
    { do: 'engine', engine: 'BLENDER_EEVEE' },
    { do: 'submit' },
  ])
  assert.match(answers[3]?.error ?? '', /There is no program '.*nowhere'. Install Shoal/)
  assert.equal(answers[6]?.seen?.at(-1)?.text, "Picture 'wood.png' is missing: there is no file /a/wood.png.")
  assert.match(answers[7]?.error ?? '', /wood.png/)
  assert.equal(answers[12]?.seen?.at(-1)?.stage, 'cancelled')
  assert(calls.some(({ path, method }) => method === 'POST' && path === '/api/jobs/job_1/cancel'))
  assert.match(answers[14]?.error ?? '', /renders with Cycles, and this scene is for BLENDER_EEVEE/)
})

test('the copy of an unsaved scene is gone once it is sent; a job that cannot be asked about frees the panel', {
  skip,
}, async () => {
  const { drive, folder, calls, url, program, leaving, show } = await setup()
  show({ status: 'active', progress: 0.25 }, { endsAfter: Number.POSITIVE_INFINITY })
  show.refused(2, 401)
  const answers = await drive([
    { do: 'save', path: join(folder, 'shot.blend') },
    { do: 'engine', engine: 'CYCLES' },
    { do: 'preferences', values: { url, key: 'key', program } },
    { do: 'change' },
    { do: 'submit' },
    { do: 'wait', until: 'running' },
    { do: 'cancel' },
    { do: 'wait', until: 'failed' },
    { do: 'preferences', values: { program: leaving } },
    { do: 'submit' },
    { do: 'wait', until: 'asking for a job' },
    { do: 'cancel' },
    { do: 'wait', until: 'failed' },
  ])
  assert.deepEqual(
    answers[5]?.files?.filter((name) => name.endsWith('.blend')),
    ['shot.blend'],
  )
  const lost = answers[7]?.seen?.at(-1)
  assert.equal(lost?.stage, 'failed')
  assert.match(
    lost?.text ?? '',
    /This key is not known\. .* may go on\. .*: shoal job fetch job_1 --out \S+shoal-frames$/,
  )
  assert.equal(calls.filter(({ method }) => method === 'GET').length, 4)
  assert.deepEqual(answers[9]?.result, ['FINISHED'])
  const left = answers[12]?.seen?.at(-1)
  assert.deepEqual([left?.stage, left?.text], ['failed', 'The job may have begun all the same.'])
})

interface State {
  readonly stage: string
  readonly text: string
  readonly progress: number
  readonly job_id: string
  readonly warnings: readonly string[]
}
interface Answer {
  readonly result?: readonly string[]
  readonly error?: string
  readonly seen?: readonly State[]
  readonly files?: readonly string[]
  readonly isGone?: boolean
}

/** A network and a command line that say what they are told to, and keep what they were asked. */
async function setup() {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-addon-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  const calls: { method: string; path: string; key: string }[] = []
  let shown = { status: 'active', progress: 0 }
  let statusOf: (() => string) | null = null
  let [endsAfter, asked] = [3, 0]
  let refusal = { from: Number.POSITIVE_INFINITY, status: 0 }
  const server = createServer((request, reply) => {
    calls.push({
      method: request.method ?? '',
      path: request.url ?? '',
      key: request.headers.authorization ?? '',
    })
    if (calls.length >= refusal.from) {
      reply.statusCode = refusal.status
      return reply.end(JSON.stringify({ detail: 'This key is not known.' }))
    }
    if (statusOf !== null) shown = { ...shown, status: statusOf() }
    if (request.method === 'POST') shown = { ...shown, status: 'cancelled' }
    else if (++asked % endsAfter === 0)
      return reply.end(JSON.stringify(jobOf({ status: 'completed', progress: 1 })))
    reply.end(JSON.stringify(jobOf(shown)))
  }).listen(0, '127.0.0.1')
  after(() => server.close())
  await new Promise((done) => server.once('listening', done))
  const address = server.address()
  const wordsFile = join(folder, 'words')
  const tell = `import json, sys; open(${JSON.stringify(wordsFile)}, 'a').write(json.dumps(sys.argv[1:]) + '\\n')`
  const job = JSON.stringify(jobOf({ status: 'active', progress: 0 }))
  const program = write(folder, 'shoal', [
    `python3 -c "${tell.replaceAll('"', '\\"')}" "$@"`,
    'if [ "$2" = render ]; then echo "sending 3 files" >&2; echo "warning: the scene has a denoiser" >&2',
    `cat <<'END'\n${job}\nEND\nfi`,
  ])
  const detail = "Picture 'wood.png' is missing: there is no file /a/wood.png."
  const endsFile = join(folder, 'ends')
  const pausing = write(folder, 'shoal-pausing', [
    `${program} "$@"`,
    'if [ "$2" = fetch ] && [ "$6" = --watch ]; then',
    `head -c 200000 /dev/zero | tr '\\0' 'x' >&2; echo ended >> ${JSON.stringify(endsFile)}; exit 1`,
    'fi',
  ])
  const fetchesEnded = (): number =>
    existsSync(endsFile) ? readFileSync(endsFile, 'utf8').trim().split('\n').length : 0
  const failing = write(folder, 'shoal-failing', [
    `echo '${JSON.stringify({ error: { detail } }).replaceAll("'", "'\\''")}' >&2`,
    'exit 2',
  ])
  const begun = JSON.stringify({ detail: 'The job may have begun all the same.', mayHaveBegun: true })
  const leaving = write(folder, 'shoal-leaving', [
    `trap 'kill $!; echo '\\''${begun}'\\'' >&2; exit 130' TERM`,
    'echo asking for a job >&2; sleep 60 > /dev/null 2>&1 & wait',
  ])
  const words: string[][] = []
  const drive = async (steps: readonly object[]): Promise<readonly Answer[]> => {
    const [out, stepsFile] = [join(folder, 'out.json'), join(folder, 'steps.json')]
    writeFileSync(stepsFile, JSON.stringify(steps))
    mkdirSync(join(folder, 'home/scripts/addons'), { recursive: true })
    const args = [
      '-b',
      '--factory-startup',
      '-noaudio',
      '--python-exit-code',
      '9',
      '--python',
      driver,
      '--',
      addon,
      out,
      stepsFile,
    ]
    const env = {
      ...process.env,
      HOME: join(folder, 'home'),
      BLENDER_USER_SCRIPTS: join(folder, 'home/scripts'),
    }
    const blender = spawn('blender', args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let printed = ''
    for (const stream of [blender.stdout, blender.stderr])
      stream.on('data', (text) => (printed += String(text)))
    const code = await new Promise((done) => blender.once('close', done))
    assert.equal(code, 0, printed)
    words.push(
      ...readFileSync(wordsFile, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as string[]),
    )
    return JSON.parse(readFileSync(out, 'utf8')) as Answer[]
  }
  const show = (job: typeof shown, { endsAfter: count = 3 } = {}): void => {
    shown = job
    endsAfter = count
  }
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`
  show.next = (of: () => string): void => {
    statusOf = of
  }
  show.refused = (from: number, status: number): void => {
    refusal = { from, status }
  }
  return { folder, calls, words, url, program, leaving, pausing, failing, drive, show, fetchesEnded }
}

function write(folder: string, name: string, lines: readonly string[]): string {
  const path = join(folder, name)
  writeFileSync(path, ['#!/bin/sh', ...lines, ''].join('\n'))
  chmodSync(path, 0o755)
  return path
}

const jobOf = ({ status, progress }: { status: string; progress: number }) => ({
  ...{ jobId: 'job_1', status, progress, nodes: 2, pause: null, etaMs: 120_000 },
  ...{
    spent: '12300000',
    cap: '500000000',
    steps: [
      { tasks: 48, done: 12, failed: 0 },
      { tasks: 1, done: 0, failed: 0 },
    ],
  },
})
