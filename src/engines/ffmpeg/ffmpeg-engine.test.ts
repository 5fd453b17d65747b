import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { nodeClock } from '#host/node/node-clock.ts'
import { createNodePrograms } from '#host/node/node-programs.ts'
import { nodeTaskFiles } from '#host/node/node-task-files.ts'
import { frameOf } from '#images/frame-number.ts'
import { FfmpegSettings } from '#protocol/ffmpeg-settings.ts'
import { Problem } from '#protocol/problem.ts'
import { failureClassOf } from '#protocol/task-failure.ts'
import { frameRate } from './ffmpeg-command.ts'
import { createFfmpegEngine } from './ffmpeg-engine.ts'

const skip = programsMissing()

test('frames with gaps in their numbers become a video of just those, in their order', { skip }, async () => {
  const { engine, root, outFolder, scratch } = setup()
  makeFrames(root, [-2, -1, 3, 9, 10, 100, 9_999, 10_000], { size: '63x35' })
  const session = await engine.open({
    root,
    settings: { frames: 'frames/frame-*.png', fps: 23.976, out: 'a b.mp4' },
  })
  const fractions: number[] = []
  const output = await session.run({ params: {}, outFolder }, (one) => fractions.push(one), never)
  await session.close()
  const bytes = readFileSync(join(outFolder, 'a b.mp4'))
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  assert.deepEqual(output.files, [{ name: 'a b.mp4', bytes: bytes.length, sha256 }])
  assert(output.cpuMs > 0 && output.wallMs > 0)
  assert.deepEqual([fractions.at(-1), fractions], [1, fractions.toSorted((a, b) => a - b)])
  const facts = probe(join(outFolder, 'a b.mp4'))
  const wanted = { codec_name: 'h264', pix_fmt: 'yuv420p', width: 64, height: 36, nb_read_frames: '8' }
  assert.deepEqual({ ...wanted, ...facts }, { ...facts, ...wanted })
  assert.deepEqual(
    [facts['r_frame_rate'], facts['color_space'], facts['color_range']],
    ['24000/1001', 'bt709', 'tv'],
  )
  // Their order: each frame is brighter than the one before.
  const levels = greys(join(outFolder, 'a b.mp4'))
  assert.deepEqual(
    levels,
    levels.toSorted((a, b) => a - b),
  )
  assert.equal(new Set(levels).size, 8)
  assert.deepEqual(readdirSync(scratch), [])
})

test('named frames play as they are named, as ProRes and as VP9 too', { skip }, async () => {
  const { engine, root, outFolder } = setup()
  makeFrames(root, [1, 2, 3], { size: '32x32' })
  const frames = [3, 1, 2, 1].map((at) => `frames/frame-000${at}.png`)
  for (const [codec, out, name] of [
    ['prores', 'v.mov', 'prores'],
    ['vp9', 'v.webm', 'vp9'],
    ['h264', 'v.mp4', 'h264'],
  ]) {
    const session = await engine.open({ root, settings: { frames, codec, out } })
    await session.run({ params: {}, outFolder }, () => undefined, never)
    await session.close()
    const { codec_name, nb_read_frames } = probe(join(outFolder, out ?? ''))
    assert.deepEqual([codec_name, nb_read_frames], [name, '4'])
  }
})

test('a video that is cancelled ends at once, and the session makes it afterwards', { skip }, async () => {
  const { engine, root, outFolder } = setup()
  makeFrames(root, [1, 2, 3, 4], { size: '1920x1080' })
  const frames = Array.from({ length: 400 }, (_, at) => `frames/frame-000${1 + (at % 4)}.png`)
  const session = await engine.open({ root, settings: { frames } })
  const cancel = new AbortController()
  const cancelled = session.run({ params: {}, outFolder }, () => cancel.abort(), cancel.signal)
  await assert.rejects(cancelled, { code: 'cancelled' })
  await assert.rejects(
    session.run({ params: {}, outFolder }, () => undefined, cancel.signal),
    { code: 'cancelled' },
  )
  assert.deepEqual(readdirSync(outFolder), [])
  await session.close()
})

test('each frame that cannot be in a video is named, with what to do', { skip }, async () => {
  const { engine, root, outFolder } = setup()
  makeFrames(root, [1, 2, 3], { size: '32x32' })
  makeFrames(root, [4], { size: '48x32' })
  const at = (name: string) => join(root, 'frames', name)
  writeFileSync(at('exr-0001.exr'), Buffer.from('762f310102000000', 'hex'))
  writeFileSync(at('text-0001.png'), 'no picture')
  writeFileSync(at('head-0001.png'), readFileSync(at('frame-0001.png')).subarray(0, 20))
  const rows = [
    [
      { frames: 'frames/frame-*.png' },
      /frame-0004.png has 48 × 32 pixels, and frames\/frame-0001.png has 32 × 32/,
    ],
    [{ frames: 'frames/exr-*' }, /frames\/exr-0001.exr is OpenEXR/],
    [{ frames: 'frames/text-*' }, /text-0001.png is neither PNG nor JPEG/],
    [{ frames: 'frames/head-*' }, /head-0001.png is cut short/],
    [{ frames: ['frames/none.png'] }, /no frame frames\/none.png/],
    [{ frames: 'none/*' }, /No input is named like none/],
    [{ frames: '../x/*' }, /frames: .*not a path below/],
    [{ frames: 'x', fps: 0 }, /fps/],
    [{ frames: 'x', codec: 'vp9' }, /out: expected the ending/],
    [{ frames: 'x', out: '../x.mp4' }, /out: expected a file name/],
  ] as const
  for (const [settings, message] of rows) {
    const opening = engine.open({ root, settings })
    await assert.rejects(opening, (error) => isFault(error, 'task', message))
  }
  const whole = readFileSync(at('frame-0002.png'))
  writeFileSync(at('frame-0002.png'), whole.subarray(0, whole.length - 30))
  renameSync(at('frame-0004.png'), at('other.png'))
  const session = await engine.open({ root, settings: { frames: 'frames/frame-*.png' } })
  const video = session.run({ params: {}, outFolder }, () => undefined, never)
  await assert.rejects(video, (error) => isFault(error, 'task', /frame-0002.png is cut short/))
  await session.close()
})

test('a node without ffmpeg says so, and that it is the node', { skip }, async () => {
  const { root, outFolder, make } = setup()
  makeFrames(root, [1], { size: '32x32' })
  const session = await make({ program: 'no-such-ffmpeg' }).open({ root, settings: { frames: 'frames/*' } })
  const video = session.run({ params: {}, outFolder }, () => undefined, never)
  await assert.rejects(video, (error) => isFault(error, 'node', /no ffmpeg here/))
  await session.close()
})

test('the number of a frame is the last one in its name, and rates are fractions', () => {
  const names = [
    'frame-0012.png',
    'a/2/frame--0003.png',
    'shot2_v3_0100.png',
    'x.png',
    'cafe7z.png',
    'clip-5.png',
  ]
  assert.deepEqual(names.map(frameOf), [12, -3, 100, Number.NEGATIVE_INFINITY, 7, 5])
  const rates = [24, 23.976, 29.97, 59.94, 12.5, 1].map((fps) => Object.values(frameRate(fps)).join('/'))
  assert.deepEqual(rates, ['24/1', '24000/1001', '30000/1001', '60000/1001', '12500/1000', '1/1'])
  const { fps, codec, crf, out } = FfmpegSettings.parse({ frames: 'frames/*.png' })
  assert.deepEqual([fps, codec, crf, out], [24, 'h264', 18, 'video.mp4'])
})

const never = new AbortController().signal

function isFault(error: unknown, fault: string, message: RegExp): true {
  assert(error instanceof Problem)
  assert.match(error.message, message)
  assert.equal(failureClassOf(error), fault)
  return true
}

/** Each grey, and brighter from one to the next. */
function makeFrames(root: string, numbers: readonly number[], { size }: { size: string }): void {
  mkdirSync(join(root, 'frames'), { recursive: true })
  for (const [at, number] of numbers.entries()) {
    const name = `frame-${number < 0 ? '-' : ''}${String(Math.abs(number)).padStart(4, '0')}.png`
    const level = (20 + at * 25).toString(16).padStart(2, '0')
    const source = ['-f', 'lavfi', '-i', `color=c=0x${level}${level}${level}:s=${size},format=rgb24`]
    const args = ['-v', 'error', '-y', ...source, '-frames:v', '1', join(root, 'frames', name)]
    const made = spawnSync('ffmpeg', args, { encoding: 'utf8' })
    assert.equal(made.status, 0, made.stderr)
  }
}

function probe(file: string): Record<string, unknown> {
  const args = ['-v', 'error', '-count_frames', '-show_streams', '-of', 'json', file]
  const { stdout } = spawnSync('ffprobe', args, { encoding: 'utf8' })
  return (JSON.parse(stdout) as { streams: Record<string, unknown>[] }).streams[0] ?? {}
}

/** The mean level of each frame of a video. */
function greys(file: string): number[] {
  const args = ['-v', 'error', '-i', file, '-vf', 'scale=1:1', '-pix_fmt', 'gray', '-f', 'rawvideo', '-']
  return [...spawnSync('ffmpeg', args).stdout]
}

function programsMissing(): string | false {
  const missing = ['ffmpeg', 'ffprobe', 'bwrap'].filter(
    (name) => spawnSync(name, [name === 'bwrap' ? '--version' : '-version']).status !== 0,
  )
  return missing.length > 0 && `no ${missing.join(', no ')}`
}

function setup() {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-ffmpeg-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  const [root, outFolder, scratch] = ['root', 'out', 'scratch'].map((name) => join(folder, name))
  assert(root && outFolder && scratch)
  for (const one of [root, outFolder, scratch]) mkdirSync(one)
  const make = (part: { program?: string } = {}) =>
    createFfmpegEngine(
      { program: 'ffmpeg', scratchFolder: scratch, threads: 1, memoryBytesMax: 2 ** 30, ...part },
      {
        programs: createNodePrograms(),
        files: nodeTaskFiles,
        clock: nodeClock,
        secrets: { randomBytes: (length) => randomBytes(length) },
      },
    )
  return { engine: make(), make, root, outFolder, scratch }
}
