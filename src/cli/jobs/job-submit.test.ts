import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import type { CliContext } from '../context.ts'
import { createStubTerminal, STUB_CREDENTIALS } from '../stub-context.ts'
import { createStubTools, type StubToolParts } from '../stub-job-tools.ts'
import { createStubJobs } from '../stub-jobs.ts'
import { createStubNetwork, STUB_NOW_MS } from '../stub-network.ts'
import { fetchFrom } from '../test-fetch.ts'

const TEMPLATE = `
specificationVersion: jobtemplate-2023-09
extensions: [SHOAL]
name: Turn {{Param.Count}} pictures
parameterDefinitions:
  - {name: Source, type: PATH, dataFlow: IN, default: pictures}
  - {name: Count, type: INT, default: 2}
  - {name: Made, type: PATH, dataFlow: OUT, default: made}
steps:
  - name: turn
    parameterSpace:
      taskParameterDefinitions:
        - {name: N, type: INT, range: "1-{{Param.Count}}"}
    script:
      actions:
        onRun: {command: bash, args: ["-c", "cp {{Param.Source}}/{{Task.Param.N}}.png {{Param.Made}}"]}
`

const SCENE_TEMPLATE = `
specificationVersion: jobtemplate-2023-09
extensions: [SHOAL]
name: A shot
steps:
  - name: frames
    parameterSpace:
      taskParameterDefinitions:
        - {name: Frame, type: INT, range: "1-3"}
    shoal:
      kind: blender
      settings: {file: shot.blend, samples: 8}
      task: {do: frame, frame: "{{Task.Param.Frame}}"}
`

test('a job file becomes a job, with the files that its paths name', async () => {
  const { run, jobs, tools } = setup()
  const { exitCode, err, out } = await run(
    'job',
    'submit',
    'work/turn.yaml',
    '-p',
    'Count=3',
    '--yes',
    '--watch',
    '--out',
    'out',
    '--task-folders',
    '--estimate',
    '9',
  )
  assert.equal(exitCode, 0, err)
  assert.deepEqual(tools.sent, [['pictures/1.png', 'pictures/2.png']])
  const [{ name, steps } = { name: '', steps: [] }] = jobs.asked
  const [turn] = steps
  assert.deepEqual(
    [name, turn?.kind, turn?.tasks, turn?.estimateMs],
    ['Turn 3 pictures', 'command', [{ N: 1 }, { N: 2 }, { N: 3 }], 9_000],
  )
  assert.equal(turn?.inputRoot, 'ab'.repeat(32))
  assert.match(out, /status +completed/)
})

test('files of two tasks with one name are refused by it, with the way out', async () => {
  const { run } = setup()
  const { exitCode, err } = await run('job', 'submit', 'work/turn.yaml', '--yes', '--watch')
  assert.equal(exitCode, 1)
  assert.match(
    err,
    /Two tasks of turn \(0\/0 and 0\/1\) made a file named frame-0000\.png\. Fetch them with --task-folders/,
  )
})

test('all of a folder is sent where one is named, and nothing where nothing is', async () => {
  const { run, tools } = setup()
  await run('job', 'submit', 'work/turn.yaml', '--yes', '--folder', 'work')
  assert.deepEqual(tools.sent, [['pictures/1.png', 'pictures/2.png', 'other.txt']])
  const none = setup()
  await none.run('job', 'submit', 'work/bare.yaml', '--yes')
  assert.deepEqual(none.tools.sent, [])
  assert.equal(none.jobs.asked[0]?.steps[0]?.inputRoot, null)
})

test('a path that says nothing of how it flows is sent where it is there', async () => {
  const { run, tools } = setup()
  await run('job', 'submit', 'work/plain.yaml', '--yes')
  assert.deepEqual(tools.sent, [['pictures/1.png', 'pictures/2.png']])
  const other = setup()
  await other.run('job', 'submit', 'work/plain.yaml', '--yes', '-p', 'Source=not-there')
  assert.deepEqual(other.tools.sent, [])
  assert.equal(other.jobs.asked.length, 1)
})

test('a job whose answer is lost is asked for again by the same quote, and is one', async () => {
  const { run, jobs } = setup(2)
  const { exitCode, err } = await run('job', 'submit', 'work/turn.yaml', '--yes', '--budget', '1')
  assert.equal(exitCode, 0, err)
  const [first, ...more] = jobs.made
  assert.deepEqual(more, [first, first])
  assert.equal(first?.cap, 1_000_000_000n)
})

test('a network that does not come back, and Ctrl-C before the answer, leave word that the job may have begun', async () => {
  const gone = await setup(1_000).run(
    'job',
    'submit',
    'work/turn.yaml',
    '--yes',
    '--url',
    'http://127.0.0.1:7420',
  )
  assert.equal(gone.exitCode, 3, gone.err)
  assert.match(
    gone.err,
    /The job may have begun all the same: see shoal --url \S+ jobs before you begin another\./,
  )
  const told = await setup(1_000).run('--json', 'job', 'submit', 'work/turn.yaml', '--yes')
  assert.match(told.err, /"mayHaveBegun":true/, 'the add-on reads it')
  const left = setup(1_000, { sleep: async () => left.interrupt() })
  const { exitCode, err } = await left.run('job', 'submit', 'work/turn.yaml', '--yes')
  assert.equal(exitCode, 130)
  assert.match(err, /Interrupted\. The job may have begun all the same: see shoal jobs/)
})

test('what is wrong with a job file is said before anything is sent', async () => {
  const rows: [args: string[], message: RegExp][] = [
    [['work/none.yaml'], /There is no file work\/none\.yaml/],
    [['work/torn.yaml'], /work\/torn\.yaml is no YAML: /],
    [['work/empty.yaml'], /work\/empty\.yaml: /],
    [['work/turn.yaml', '-p', 'Count'], /'Count' is no parameter/],
    [['work/turn.yaml', '-p', 'Size=1'], /there is no parameter Size; there are: Source, Count, Made/],
    [['work/turn.yaml', '-p', 'Count=many'], /'many' is no whole number/],
    [['work/turn.yaml', '-p', 'Source=../secret'], /does not lie below the job's folder/],
    [['work/turn.yaml', '-p', 'Source=gone'], /There is no file work\/gone, which work\/turn\.yaml needs/],
    [['work/turn.yaml', '--budget', '0'], /A budget of 0 pays for nothing/],
  ]
  for (const [args, message] of rows) {
    const { run, tools, jobs } = setup()
    const { exitCode, err } = await run('job', 'submit', ...args, '--yes')
    assert.deepEqual([exitCode, tools.sent.length, jobs.asked.length], [2, 0, 0], args.join(' ') + err)
    assert.match(err, message)
    assert.equal(err.trim().split('\n').length, 1, err)
  }
})

test('a scene of a job file is looked through: what it reads is sent, and its step says what it needs', async () => {
  const scene = {
    sends: ['shot.blend', 'tex/wood.png'].map((to) => ({ from: `/home/ada/work/${to}`, to })),
  }
  const { run, tools, jobs } = setup(0, {}, { scene })
  const { exitCode, err } = await run('job', 'submit', 'work/scene.yaml', '--yes', '--out', 'out')
  assert.equal(exitCode, 0, err)
  assert.deepEqual(tools.sent, [['shot.blend', 'tex/wood.png']])
  const [step] = jobs.asked[0]?.steps ?? []
  assert.deepEqual(step?.settings, {
    ...{ width: 320, height: 180, file: 'shot.blend', samples: 8 },
    remap: { '/home/ada/work/': '' },
  })
  assert((step?.requirements.memoryMib ?? 0) > 400)
  assert.match(err, /previews after .*out\/previews-/)
})

test('what a scene of a job file lacks is said by name, before anything is sent', async () => {
  const wood = "The image 'wood' is missing: there is no file /home/ada/work/tex/wood.png."
  const own = { from: '/home/ada/work/shot.blend', to: 'work/shot.blend' }
  const rows: [StubToolParts, RegExp][] = [
    [{ scene: { errors: [wood] } }, /shot\.blend: The image 'wood' is missing/],
    [
      { scene: { file: own.to, sends: [own, { from: '/home/ada/far/sky.hdr', to: 'far/sky.hdr' }] } },
      /shot\.blend reads \/home\/ada\/far\/sky\.hdr, which does not lie in the folder of the job \(work\)/,
    ],
    [
      { sceneProblem: new Problem('engine_missing', 'There is no Blender here.') },
      /There is no Blender here/,
    ],
  ]
  for (const [parts, message] of rows) {
    const { run, tools, jobs } = setup(0, {}, parts)
    const { exitCode, err } = await run('job', 'submit', 'work/scene.yaml', '--yes')
    assert.deepEqual([exitCode === 0, tools.sent, jobs.asked], [false, [], []])
    assert.match(err, message)
  }
  const sceneProblem = new Problem('engine_missing', 'There is no Blender here.')
  const { run, tools } = setup(0, {}, { sceneProblem })
  const { exitCode, err } = await run('job', 'submit', 'work/scene.yaml', '--yes', '--folder', 'work')
  assert.deepEqual([exitCode, tools.sent.length], [0, 1], 'all of a folder needs no Blender here')
  assert.match(err, /shot\.blend: it was not looked through/)
})

function setup(lost = 0, parts: Partial<CliContext> = {}, toolParts: StubToolParts = {}) {
  const jobs = createStubJobs(STUB_NOW_MS)
  const held = ['work/pictures/1.png', 'work/pictures/2.png', 'work/other.txt']
  const tools = createStubTools({ ...toolParts, held })
  const answer = fetchFrom({ ...createStubNetwork().handlers, ...jobs.handlers })
  let losses = 0
  const fetch = async (request: Request): Promise<Response> => {
    const isMade = request.method === 'POST' && new URL(request.url).pathname.endsWith('/jobs')
    const response = await answer(request)
    if (isMade && losses++ < lost) throw new Problem('network_unreachable', 'The line was cut.')
    return response
  }
  const files = {
    '/home/ada/.shoal/credentials.json': STUB_CREDENTIALS,
    'work/turn.yaml': TEMPLATE,
    'work/bare.yaml': TEMPLATE.replace(/.*name: Source.*\n/, '').replace('{{Param.Source}}/', ''),
    'work/plain.yaml': TEMPLATE.replace(', dataFlow: IN', ''),
    'work/scene.yaml': SCENE_TEMPLATE,
    'work/torn.yaml': 'steps: [',
    'work/empty.yaml': '',
  }
  return {
    jobs,
    tools,
    ...createStubTerminal({ fetch, files, parts: { jobTools: async () => tools, ...parts } }),
  }
}
