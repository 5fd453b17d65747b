import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inflateSync } from 'node:zlib'
import { readPicture } from '#images/read-picture.ts'
import { Problem } from '#protocol/problem.ts'
import { createStubTerminal, type StubTerminal } from '../stub-context.ts'
import { createStubTools, type StubToolParts, stubFacts } from '../stub-job-tools.ts'
import { createStubJobs, type StubScript } from '../stub-jobs.ts'
import { createStubNetwork, STUB_NOW_MS } from '../stub-network.ts'
import { fetchFrom } from '../test-fetch.ts'

const YES = ['--yes', '--watch', '--out', 'out']

test('a scene becomes a step of frames and one of a video, with all that nodes must know', async () => {
  const { run, jobs, tools } = setup({
    scene: {
      remap: { '/home/ada/': '' },
      file: 'shots/shot.blend',
      sends: [
        { from: '/a', to: 'shots/shot.blend' },
        { from: '/b', to: 'tex/b.png' },
      ],
    },
  })
  const flags = [
    '--frames',
    '3-4',
    '--video',
    'v.mov',
    '--tier',
    'economy',
    '--allow-scripts',
    '--priority',
    '7',
    '--budget',
    '0.002',
  ]
  const { exitCode, err } = await run('render', 'shot.blend', ...flags, ...YES)
  assert.equal(exitCode, 0, err)
  assert.deepEqual(tools.sent, [['shots/shot.blend', 'tex/b.png']])
  const [{ steps: [frames, video] = [], ...asked } = { steps: [] }] = jobs.asked
  assert.deepEqual(asked, { name: 'shot.blend', tier: 'economy', isIdempotent: true })
  assert.deepEqual(frames?.settings, {
    ...{
      file: 'shots/shot.blend',
      device: 'CPU',
      format: 'PNG',
      remap: { '/home/ada/': '' },
      allowScripts: true,
    },
    sceneHash: 'abababababababab',
  })
  assert.deepEqual(frames?.tasks, [
    { do: 'frame', frame: 3 },
    { do: 'frame', frame: 4 },
  ])
  assert.deepEqual(
    [video?.kind, video?.dependsOn, video?.takesResults, video?.inputRoot],
    ['ffmpeg', ['frames'], true, null],
  )
  assert.deepEqual(video?.settings, {
    frames: 'frames/frame-*.png',
    fps: 25,
    codec: 'prores',
    out: 'video.mov',
  })
  assert.deepEqual(jobs.made, [{ quoteId: 'quote_abcdef', priority: 7, cap: 2_000_000n }])
  assert.ok(tools.disk.held.has('v.mov') && tools.disk.held.has('out/frame-0004.png'))
})

test('a still is cut by its samples, as many as there are nodes, unless the scene forbids it', async () => {
  const even = setup()
  await even.run('render', 's.blend', '--frames', '7', '--split', '3', ...YES)
  const [parts, merge] = even.jobs.asked[0]?.steps ?? []
  assert.deepEqual(parts?.tasks, [
    { do: 'range', frame: 7, sampleOffset: 0, samples: 10 },
    { do: 'range', frame: 7, sampleOffset: 10, samples: 11 },
    { do: 'range', frame: 7, sampleOffset: 21, samples: 11 },
  ])
  assert.equal(
    merge?.tasks[0]?.['parts'],
    'parts/range-0007-0-10.exr=10;parts/range-0007-10-11.exr=11;parts/range-0007-21-11.exr=11',
  )
  assert.deepEqual(
    [...even.tools.disk.held.keys()].filter((path) => /exr|frame/.test(path)),
    ['out/frame-0007.png'],
  )
  const stepsOf = async (parts: StubToolParts, ...more: string[]) => {
    const { run, jobs } = setup(parts)
    await run('render', 's.blend', '--frames', '7', ...YES, ...more)
    return jobs.asked[0]?.steps.map(({ name, tasks }) => `${name} ${tasks.length}`)
  }
  // One node is online, with the two of the quote or not.
  assert.deepEqual(await stepsOf({}), ['frames 1'])
  assert.deepEqual(await stepsOf({ scene: { facts: { ...stubFacts, isAdaptive: true } } }), ['frames 1'])
  assert.deepEqual(await stepsOf({}, '--split', '2', '--samples', '4'), ['parts 2', 'frames 1'])
})

test('bad input is refused in one sentence before anything is sent', async () => {
  const adaptive = { scene: { facts: { ...stubFacts, isAdaptive: true } } }
  const composited = { scene: { facts: { ...stubFacts, isComposited: true } } }
  const missing = {
    scene: { errors: ["The image 'wood' is missing: there is no file /t/wood.png. Put it there."] },
  }
  const rows: [parts: StubToolParts, flags: string[], exitCode: number, message: RegExp][] = [
    [{}, ['--frames', ''], 2, /^shoal: There are no frames in ''/],
    [{}, ['--frames', '1-'], 2, /^shoal: '1-' has no last frame/],
    [{}, ['--frames', '10-1'], 2, /^shoal: '10-1' runs backwards/],
    [{}, ['--budget', '0'], 2, /^shoal: A budget of 0 pays for nothing/],
    [{}, ['--budget', 'much'], 2, /^shoal: 'much' is no amount in US dollars/],
    [{}, ['--budget', '-1'], 2, /is no amount/],
    [{}, ['--video', 'film.avi'], 2, /^shoal: 'film\.avi' does not say which video/],
    [{}, ['--frames', '7', '--video', 'f.mp4'], 2, /^shoal: One frame makes no video/],
    [{}, ['--video', 'f.mp4', '--format', 'EXR'], 2, /^shoal: A video is made of PNG frames/],
    [{}, ['--fps', '24'], 2, /^shoal: --fps is for a video/],
    [
      { scene: { facts: { ...stubFacts, fps: 1_000 } } },
      ['--video', 'f.mp4'],
      2,
      /^shoal: The scene has 1000 frames a second, and a video may have 0\.1 to 240\. Say how fast it plays with --fps/,
    ],
    [{}, ['--split', '0'], 2, /^shoal: --split takes auto or a number/],
    [{}, ['--split', '4'], 2, /^shoal: --split cuts one frame/],
    [{}, ['--frames', '7', '--split', '60'], 2, /^shoal: 32 samples make no 60 parts/],
    [adaptive, ['--frames', '7', '--split', '2'], 2, /^shoal: The scene samples adaptively/],
    [
      composited,
      ['--frames', '7', '--split', '2'],
      2,
      /^shoal: The scene has compositor nodes, which needs all/,
    ],
    [missing, [], 2, /^shoal: The image 'wood' is missing: there is no file \/t\/wood\.png/],
    [
      { scene: { facts: { ...stubFacts, frameEnd: 0 } } },
      [],
      2,
      /^shoal: The scene's own range of frames is empty \(1 to 0\)/,
    ],
    [{ sceneProblem: new Problem('engine_missing', 'There is no Blender here.') }, [], 8, /no Blender/],
    [
      { held: ['out/frame-0003.png', 'out/frame-0004.png'] },
      [],
      1,
      /^shoal: out\/frame-0003\.png \(and 1 more of its frames\) is there already/,
    ],
    [{ held: ['f.mp4'] }, ['--video', 'f.mp4'], 1, /^shoal: f\.mp4 is there already/],
    [{ held: ['out'] }, [], 2, /^shoal: out is a file\. Name a folder/],
  ]
  for (const [parts, flags, exitCode, message] of rows) {
    const { run, jobs, tools } = setup(parts)
    const ended = await run('render', 's.blend', ...flags, ...YES)
    assert.deepEqual(
      [ended.exitCode, tools.sent.length, jobs.made.length],
      [exitCode, 0, 0],
      flags.join(' ') + ended.err,
    )
    assert.match(ended.err, message)
    assert.equal(ended.err.trim().split('\n').length, 1, ended.err)
  }
})

test('a file’s name may be longer than a job’s, and a scene faster than any video where none is made', async () => {
  const { run, jobs } = setup({ scene: { facts: { ...stubFacts, fps: 1_000 } } })
  const { exitCode, err } = await run('render', `${'s'.repeat(120)}.blend`, ...YES)
  assert.equal(exitCode, 0, err)
  assert.equal(jobs.asked[0]?.name, 's'.repeat(100))
  const slower = setup({ scene: { facts: { ...stubFacts, fps: 1_000 } } })
  const made = await slower.run('render', 's.blend', '--video', 'f.mp4', '--fps', '25', ...YES)
  assert.equal(made.exitCode, 0, made.err)
})

test('a scene that is not there is named before anything else is asked for', async () => {
  const { run } = setup()
  const { exitCode, err } = await run('render', 'nothere.blend')
  assert.deepEqual([exitCode, err.includes('--yes')], [2, false])
  assert.match(err, /^shoal: There is no file nothere\.blend\. Check its path/)
})

test('a network that forgot the quote is asked again, and may bill no more than was said yes to', async () => {
  const { run, jobs } = setup({}, { forgets: 2 })
  const { exitCode, err } = await run('render', 's.blend', ...YES)
  assert.equal(exitCode, 0, err)
  assert.match(err, /The network has forgotten the quote: it is asked for again/)
  assert.deepEqual(
    [jobs.asked.length, jobs.made],
    [3, [{ quoteId: 'quote_abcdef', priority: 50, cap: 2_400_000n }]],
  )
})

test('what lies in the folder of results stays: another is made unless one was named', async () => {
  const { run, tools } = setup({ held: ['s-frames/frame-0001.png', 's-frames-2/x'] })
  const { exitCode } = await run('render', 's.blend', '--yes', '--watch')
  assert.equal(exitCode, 0)
  assert.ok(tools.disk.held.has('s-frames-3/frame-0001.png'))
  assert.equal(new TextDecoder().decode(tools.disk.held.get('s-frames/frame-0001.png')), 'another’s')
})

test('a file that somebody puts there meanwhile is not written over', async () => {
  const { run, tools } = setup({})
  const put = tools.disk.give
  Object.assign(tools.disk, {
    give: async (from: string, to: string) => {
      if (to === 'out/frame-0002.png') tools.disk.held.set(to, Buffer.from('mine'))
      return put(from, to)
    },
  })
  const { exitCode, err } = await run('render', 's.blend', ...YES)
  assert.equal(exitCode, 1)
  assert.match(
    err,
    /shoal: out\/frame-0002\.png is there already and is not this job's, so it was left as it is/,
  )
  assert.equal(String(tools.disk.held.get('out/frame-0002.png')), 'mine')
})

test('a full disk is one sentence with the way on, and the way leads on', async () => {
  const { run, tools, more } = setup({ filesMax: 5 })
  const { exitCode, err } = await run('render', 's.blend', '--frames', '1-4', ...YES)
  assert.equal(exitCode, 8)
  assert.match(
    err,
    /shoal: The disk is full: .*Free some space, then get the rest: shoal job fetch job_new --out out\. The job goes on/,
  )
  const later = await run('job', 'fetch', 'job_new', '--out', 'out')
  assert.match(later.err, /The disk is full: .* Nothing of the job is lost\.$/m)
  more()
  const { out } = await run('job', 'fetch', 'job_new', '--out', 'out')
  assert.match(out, /^4 files, 16\.0 KiB, in out; 2 files fetched now/)
  assert.match((await run('job', 'fetch', 'job_new', '--out', 'out')).out, /all were here already/)
  assert.deepEqual([...tools.disk.held.keys()].filter((path) => path.startsWith('out/frame')).length, 4)
})

test('a file that was changed by hand stays, and one that another result of the job left is replaced', async () => {
  const { run, tools } = setup()
  await run('render', 's.blend', ...YES)
  await tools.disk.remove('out/frame-0001.png')
  await tools.disk.writeNew('out/frame-0001.png', Buffer.from('changed by hand'))
  const { exitCode, err } = await run('job', 'fetch', 'job_new', '--out', 'out')
  assert.equal(exitCode, 1)
  assert.match(err, /out\/frame-0001\.png is there already/)
  await tools.disk.append('out/.shoal/job_new', 'another out/frame-0001.png')
  const again = await run('job', 'fetch', 'job_new', '--out', 'out')
  assert.match(again.out, /1 file fetched now/, again.err)
})

test('Ctrl-C while watching leaves the job, and says how to come back and how to end it', async () => {
  let sleeps = 0
  const terminal = setup(
    {},
    {},
    {
      parts: {
        sleep: async (_ms, signal) => {
          if (++sleeps === 3) terminal.interrupt()
          signal.throwIfAborted()
        },
      },
    },
  )
  const network = ['--url', 'http://127.0.0.1:7420', '--data', '/home/ada/.shoal']
  const flags = ['--video', 'v.mp4', '--yes', '--watch', '--out', 'my frames']
  const { exitCode, err } = await terminal.run('render', 's.blend', ...flags, ...network)
  assert.equal(exitCode, 130)
  assert.match(
    err,
    /job_new goes on without you\. Come back: shoal --url \S+ --data \/home\/ada\/\.shoal job fetch job_new --out 'my frames' --video v\.mp4 --watch\. End it: shoal --url \S+ --data \S+ job cancel job_new\n$/,
  )
  assert.equal(terminal.jobs.jobs.get('job_new')?.status, 'active')
})

test('without a yes nothing begins', async () => {
  for (const [input, made] of [
    [['n'], 0],
    [[], 0],
    [[''], 1],
    [['Y'], 1],
    [['yes'], 1],
    [['why?'], 0],
  ] as const) {
    const { run, jobs } = setup({}, {}, { isTty: true, input })
    const { exitCode, err } = await run('render', 's.blend', '--out', 'out')
    assert.deepEqual([jobs.made.length, exitCode], [made, 0], JSON.stringify(input) + err)
    assert.equal(err.includes('Nothing was begun'), made === 0)
  }
})

test('a job that stands still ends the watching with what to do', async () => {
  const pause = { reason: 'cap_reached' as const, detail: 'frame 3 may cost $0.0004', atMs: STUB_NOW_MS }
  const looks = [{ progress: 0.5 }, { progress: 0.5, status: 'paused' as const, pause }]
  const { run, tools } = setup({}, { looks })
  const { exitCode, out } = await run('render', 's.blend', ...YES)
  assert.equal(exitCode, 1)
  assert.match(out, /paused +frame 3 may cost \$0\.0004\. Raise the cap: shoal job cap job_new 0\.0048/)
  assert.equal([...tools.disk.held.keys()].filter((path) => path.startsWith('out/frame')).length, 2)
})

test('a network that is away for a while is waited for, and a quote that fails says why', async () => {
  let calls = 0
  const away = setup({}, {}, {}, (request) => {
    if (request.method !== 'GET' || !request.url.includes('/api/jobs/') || ++calls % 3 === 0) return null
    throw new Problem('network_unreachable', 'Nobody answers.')
  })
  assert.equal((await away.run('render', 's.blend', ...YES)).exitCode, 0)
  const failing = setup({}, { quote: { status: 'failed', reason: 'frame 1 failed on nod_1: no camera.' } })
  const { exitCode, err } = await failing.run('render', 's.blend', ...YES)
  assert.deepEqual([exitCode, failing.jobs.made.length], [7, 0])
  assert.match(err, /shoal: There is no quote: frame 1 failed on nod_1: no camera\.$/m)
})

test('a terminal shows one changing board in its width, and pictures where it can', async () => {
  for (const columns of [80, 120]) {
    const { run, context } = setup({}, {}, { isTty: true, env: { NO_COLOR: '1' } })
    Object.assign(context.stderr, { columns })
    const { err } = await run('render', 's.blend', ...YES)
    const boards = err.split('\n').filter((line) => /[█░]/.test(line))
    assert.equal(boards.length, 4, err)
    for (const line of err.split('\n')) {
      const plain = line.replace(/\p{Cc}\[\d*[A-Z]|\r/gu, '')
      if (/[█░]|fetched/.test(plain)) assert.ok([...plain].length < columns, plain)
    }
    assert.match(err, /contact sheet: out\/contact-sheet-ob_new\.png/)
  }
  const kitty = setup({}, {}, { isTty: true, env: { TERM: 'xterm-kitty' } })
  const { err } = await kitty.run('render', 's.blend', ...YES)
  // Previews, the first frame and the last one.
  assert.equal(err.match(/\p{Cc}_Ga=T,f=100/gu)?.length, 3)
  assert.ok(
    ![...kitty.tools.disk.held.keys()].some((path) => path.includes('sheet') || path.includes('previews')),
  )
  const iterm = setup({}, {}, { isTty: true, env: { TERM_PROGRAM: 'iTerm.app' } })
  assert.match((await iterm.run('render', 's.blend', ...YES)).err, /\p{Cc}\]1337;File=inline=1;size=\d+/u)
  const tmux = setup({}, {}, { isTty: true, env: { TERM: 'xterm-kitty', TMUX: '/tmp/x' } })
  assert.doesNotMatch((await tmux.run('render', 's.blend', ...YES)).err, /\p{Cc}_G/u)
})

test('the contact sheet is a picture', async () => {
  const { run, tools } = setup()
  await run('render', 's.blend', ...YES)
  const bytes = tools.disk.held.get('out/contact-sheet-ob_new.png')
  assert.ok(bytes)
  // The stub packs nothing.
  const sheet = readPicture(bytes, (data) => data)
  assert.deepEqual([sheet.width, sheet.channels], [4 * (48 + 8) + 8, 3])
  assert.throws(() => readPicture(bytes, (data) => inflateSync(data)))
})

test('what a node or a scene says cannot steer the terminal', async () => {
  const evil = 'x\u001b[2J\u0007'
  const warnings = [{ code: 'script', message: evil }]
  const { run } = setup(
    { scene: { warnings, sandboxMissing: `no room${evil}` } },
    { quote: { reason: evil } },
  )
  const { err, out } = await run('render', 's.blend', ...YES)
  assert.match(err, /opened without a sandbox: no room/)
  assert.doesNotMatch(err + out, /[^\P{Cc}\n]/u)
})

/** A terminal beside a network whose jobs go as `script` says; `answer` may take a call before it. */
function setup(
  toolParts: StubToolParts = {},
  script: StubScript = {},
  terminal: Partial<StubTerminal> = {},
  answer: (request: Request) => Promise<Response> | null = () => null,
) {
  const jobs = createStubJobs(STUB_NOW_MS, script)
  let limits = toolParts
  const tools = createStubTools({
    ...toolParts,
    get filesMax() {
      return limits.filesMax ?? 1_000
    },
  })
  const ask = fetchFrom({ ...createStubNetwork().handlers, ...jobs.handlers })
  const { parts, ...rest } = terminal
  const stub = createStubTerminal({
    fetch: async (request) => answer(request) ?? ask(request),
    ...rest,
    parts: { jobTools: async () => tools, ...parts },
  })
  const more = (): void => {
    limits = {}
  }
  return { ...stub, jobs, tools, more }
}
