/** `shoal render` and what follows it, on a real network with a real Blender: scenes in, pictures and a video out. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { blenderMissing, makeScene, openPicture } from '#engines/blender/test-blender.ts'
import { runInTerminal, terminalMissing } from '#run/test-terminal.ts'
import { type Network, openRig, startTiny } from './rig.ts'

const noFfmpeg = spawnSync('ffprobe', ['-version']).status !== 0 && 'no ffmpeg'
const skip = blenderMissing() || noFfmpeg
const entry = new URL('../../bin/shoal.ts', import.meta.url).pathname

const rig = openRig()
let network: Network
before(async () => {
  if (skip !== false) return
  makeScene(rig.path('scenes/shot.blend'), 'diffuse', {
    width: 96,
    height: 64,
    samples: 8,
    frames: 8,
    spheres: 6,
  })
  makeScene(rig.path('scenes/textured.blend'), 'textured', { width: 64, height: 64, samples: 16, spheres: 4 })
  network = await startTiny(rig, rig.path('data'), ['--render', 'auto'])
})
after(() => rig.dispose())

test('a scene becomes frames, a contact sheet and a video, and all of it can be fetched again', {
  skip,
}, async () => {
  const out = rig.path('out')
  const film = rig.path('film.mp4')
  const { exitCode, stdout, stderr } = await shoal(
    'render',
    rig.path('scenes/shot.blend'),
    '--video',
    film,
    '--fps',
    '12',
    '--out',
    out,
    '--yes',
    '--watch',
  )
  assert.equal(exitCode, 0, stderr)
  const frames = readdirSync(out).filter((name) => name.startsWith('frame'))
  assert.deepEqual(
    frames,
    [1, 2, 3, 4, 5, 6, 7, 8].map((frame) => `frame-000${frame}.png`),
  )
  const pictures = frames.map((name) => openPicture(`${out}/${name}`))
  assert.ok(pictures.every(({ width, height }) => width === 96 && height === 64))
  assert.equal(new Set(frames.map((name) => readFileSync(`${out}/${name}`, 'hex'))).size, 8)
  assert.deepEqual(probe(film), {
    codec_name: 'h264',
    width: 96,
    height: 64,
    r_frame_rate: '12/1',
    nb_frames: '8',
  })
  for (const said of [
    /new of/,
    /previews after/,
    /reference-seconds +\d/,
    /cap +\$0\.0/,
    /first frame after/,
    /contact sheet: /,
  ])
    assert.match(stderr, said)
  const jobId = /^id +(job_\w+)/m.exec(stdout)?.[1] ?? ''
  for (const said of [/status +completed/, /100 % · frames 8\/8 · video 1\/1/]) assert.match(stdout, said)

  rmSync(`${out}/frame-0003.png`)
  const again = await shoal('job', 'fetch', jobId, '--out', out)
  assert.match(again.stdout, /^9 files, .*; 2 files fetched now/, again.stderr)
  assert.match(
    (await shoal('jobs', '--all')).stdout,
    new RegExp(`${jobId} +shot\\.blend +completed +100 % +9/9`),
  )
  assert.match((await shoal('job', 'frames', jobId)).stdout, /frames +8 +done +node_/)
  assert.match((await shoal('job', 'why', `${jobId}/3`)).stdout, /^frame 3 +\S.*\./)
  assert.match((await shoal('job', 'logs', jobId)).stdout, /completed /)
  const second = rig.path('again.webm')
  const video = await shoal('job', 'video', jobId, '--fps', '24', '--out', second, '--yes')
  assert.equal(video.exitCode, 0, video.stderr)
  assert.deepEqual([probe(second)['codec_name'], probe(second)['r_frame_rate']], ['vp9', '24/1'])
})

test('a still is put together from parts, and looks like the whole', { skip }, async () => {
  const scene = rig.path('scenes/textured.blend')
  const render = (out: string, split: string) =>
    shoal(
      'render',
      scene,
      '--frames',
      '3',
      '--split',
      split,
      '--out',
      rig.path(out),
      '--yes',
      '--watch',
      '--json',
    )
  const [whole, parts] = [await render('whole', '1'), await render('parts', '2')]
  assert.deepEqual([whole.exitCode, parts.exitCode], [0, 0], whole.stderr + parts.stderr)
  assert.deepEqual(
    (JSON.parse(parts.stdout) as { steps: { name: string; done: number }[] }).steps.map(
      ({ name, done }) => `${name} ${done}`,
    ),
    ['parts 2', 'frames 1'],
  )
  assert.deepEqual(
    readdirSync(rig.path('parts')).filter((name) => /exr|frame/.test(name)),
    ['frame-0003.png'],
  )
  const [one, two] = ['whole', 'parts'].map((name) => openPicture(`${rig.path(name)}/frame-0003.png`))
  assert.ok(one && two)
  const off =
    one.values.reduce((sum, value, at) => sum + Math.abs(value - (two.values[at] ?? 9)), 0) /
    one.values.length
  assert.ok(off < 0.01, `mean difference ${off}`)
})

test('a missing texture and a taken place are named before anything is sent', { skip }, async () => {
  const scene = rig.path('scenes/textured.blend')
  const taken = await shoal('render', scene, '--frames', '3', '--out', rig.path('whole'), '--yes')
  assert.equal(taken.exitCode, 1)
  assert.match(taken.stderr, /frame-0003\.png is there already and would be written over/)
  rmSync(rig.path('scenes/textures/checks-1.png'))
  const missing = await shoal('render', scene, '--yes', '--out', rig.path('never'))
  assert.equal(missing.exitCode, 2)
  assert.match(
    missing.stderr,
    /^shoal: The image 'checks-1\.png' is missing: there is no file .*checks-1\.png\. Put it there/m,
  )
  assert.ok(!existsSync(rig.path('never')))
})

test('in a terminal: a yes, a board, Ctrl-C, and the way back', {
  skip: skip || terminalMissing,
}, async () => {
  const out = rig.path('terminal')
  const scene = rig.path('scenes/shot.blend')
  const command = [
    process.execPath,
    entry,
    'render',
    scene,
    '--frames',
    '1-8',
    '--samples',
    '128',
    '--out',
    out,
    '--watch',
    ...network.options,
  ]
  const run = await runInTerminal({
    command,
    columns: 80,
    steps: [
      { shows: 'Begin? [Y/n]', press: 'y\r' },
      { shows: 'fetched', signal: 'SIGINT' },
    ],
  })
  assert.equal(run.exitCode, 130, run.output)
  assert.ok(run.isCooked)
  const [, jobId = ''] =
    /(job_\w+) goes on without you\. Come back: shoal \S.*job fetch/.exec(run.output) ?? []
  const back = await shoal('job', 'fetch', jobId, '--out', out, '--watch')
  assert.equal(back.exitCode, 0, back.stderr)
  assert.equal(readdirSync(out).filter((name) => name.startsWith('frame')).length, 8)
})

async function shoal(
  ...args: readonly string[]
): Promise<{ exitCode: number | null; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await rig.run([...args, ...network.options])
  return { exitCode: code, stdout, stderr }
}

function probe(file: string): Record<string, unknown> {
  const entries = 'stream=codec_name,width,height,r_frame_rate,nb_frames'
  const said = spawnSync('ffprobe', ['-v', 'error', '-of', 'json', '-show_entries', entries, file], {
    encoding: 'utf8',
  })
  return (JSON.parse(said.stdout) as { streams: Record<string, unknown>[] }).streams[0] ?? {}
}
