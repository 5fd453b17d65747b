import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { deflateSync } from 'node:zlib'
import { readRenderOptions } from '#cli/render/render-options.ts'
import { planRender } from '#cli/render/render-plan.ts'
import { stubFacts } from '#cli/stub-job-tools.ts'
import { expectedOf } from '#coordinator/work/expected-result.ts'
import type { BlobVault } from '#gateway/blobs/blob-vault.ts'
import { keepObject, vaultOn } from '#gateway/blobs/test-vault.ts'
import { createDiskBlobStore } from '#host/node/disk-blob-store.ts'
import { createLocalBus } from '#host/node/local-bus.ts'
import { nodeClock } from '#host/node/node-clock.ts'
import { parseBoxes } from '#images/boxes.ts'
import { cut, type Picture } from '#images/picture.ts'
import { writeExr } from '#images/write-exr.ts'
import { createRandom } from '#kernel/random.ts'
import { subjects } from '#protocol/cell.ts'
import { Problem } from '#protocol/problem.ts'
import type { OutputFile } from '#protocol/task.ts'
import { type CheckOutputs, type CompareCrops, CropsCompared, OutputsChecked } from '#protocol/work-check.ts'
import { identifySteps, planOf } from '#work/plan-job.ts'
import { TestFarm } from '#work/test-farm.ts'
import { createPictureThread, type PictureThread } from './picture-thread.ts'
import { serveChecks } from './serve-checks.ts'

describe('results are looked at where they lie', () => {
  test('an honest frame has no faults, and where an audit looks is drawn anew each time', async () => {
    await using checks = setup()
    const frame = await checks.keep(writeExr(makeFrame()))
    const first = await checks.look(frame)
    const second = await checks.look(frame)
    assert.deepEqual([first.faults, first.doubts, first.width, first.height], [[], [], 64, 48])
    assert.equal(first.fingerprint, second.fingerprint)
    assert.notEqual(first.crops, second.crops)
    for (const { x, y, width, height } of parseBoxes(first.crops ?? '') ?? [])
      assert(x + width <= 64 && y + height <= 48 && width === 15 && height === 15)
  })

  test('another size, frame, scene, seed or number of samples is a fault, and a neighbour’s picture a doubt', async () => {
    await using checks = setup()
    const frame = await checks.keep(writeExr(makeFrame()))
    const wrong = [
      { width: 65 },
      { height: 47 },
      { frame: 8 },
      { sceneHash: 'other' },
      { samples: 31 },
      { seed: 2 },
    ]
    for (const expected of wrong) assert.equal((await checks.look(frame, expected)).faults.length, 1)
    const { fingerprint } = await checks.look(frame)
    assert.deepEqual((await checks.look(frame, { neighbours: [fingerprint ?? ''] })).doubts, [
      'same_as_neighbour',
    ])
  })

  test('what was rendered again is compared where the picture was drawn to be looked at', async () => {
    await using checks = setup()
    const picture = makeFrame()
    const frame = await checks.keep(writeExr(picture))
    const { crops } = await checks.look(frame)
    const parts = (of: Picture) =>
      Promise.all((parseBoxes(crops ?? '') ?? []).map((box) => checks.keep(writeExr(cut(of, box)))))
    const compare = async (rendered: OutputFile[], more: Partial<CompareCrops> = {}) =>
      checks.compare({ picture: frame.sha256, crops: crops ?? '', rendered, ...more })
    const other = makeFrame(1.3)
    assert.equal((await compare(await parts(picture))).verdict, 'same')
    assert.equal((await compare(await parts(other))).verdict, 'different')
    assert.equal((await compare([frame], { isWhole: true })).verdict, 'same')
    assert.equal((await compare([frame])).verdict, 'unreadable')
    const whole = await checks.keep(writeExr(other))
    const before = { rendered: await parts(other) }
    assert.deepEqual(
      [
        (await compare([whole], { isWhole: true, before })).agrees,
        (await compare(await parts(makeFrame(1.7)), { before })).agrees,
      ],
      [true, false],
    )
  })

  test('a result that is not there, or has another length than its maker said, is a fault', async () => {
    await using checks = setup()
    const frame = await checks.keep(writeExr(makeFrame()))
    assert.deepEqual((await checks.look({ ...frame, sha256: 'f'.repeat(64) })).faults, ['missing'])
    assert.match((await checks.look({ ...frame, bytes: 5 })).faults[0] ?? '', /5 were told/)
    assert.deepEqual((await checks.look(frame, {}, 'files')).faults, [])
    assert.match((await checks.look({ ...frame, bytes: 5 }, {}, 'files')).faults[0] ?? '', /5 were told/)
  })
})

describe('pictures that mean harm', () => {
  test('a file that is larger than any frame of its size is not read, nor more than one frame’s worth of crops', async () => {
    const slow = slowThread()
    let readBytes = 0
    const [frameBytes, cropBytes] = [64 * 1920 * 1080 + 2 ** 20, 200 * 2 ** 20]
    await using checks = setup(slow.thread, {
      async open(_, sha256) {
        const bytes = sha256.startsWith('c') ? cropBytes : frameBytes + (sha256.startsWith('a') ? 0 : 1)
        const read = async () => {
          readBytes += bytes
          return new Uint8Array(bytes)
        }
        return { bytes, read, close: async () => undefined }
      },
    })
    slow.answer()
    const look = (digit: string, bytes: number) =>
      checks.look({ name: 'frame.exr', bytes, sha256: digit.repeat(64) }, { width: 1920, height: 1080 })
    assert.deepEqual((await look('a', frameBytes)).faults, ['of the first'])
    assert.match((await look('b', frameBytes + 1)).faults[0] ?? '', /more than any such frame/)
    assert.equal(readBytes, frameBytes)
    const crop = { name: 'crop.exr', bytes: cropBytes, sha256: 'c'.repeat(64) }
    const call = { picture: 'a'.repeat(64), crops: '0,0,1,1', rendered: Array(20).fill(crop) }
    assert.match((await checks.compare(call)).detail, /more than any such frame/)
    assert.equal(readBytes, 2 * frameBytes + 2 * cropBytes)
  })

  test('noise, broken files, bombs and sizes that are lies are faults, and the next picture is looked at', async () => {
    await using checks = setup()
    const { int } = createRandom(7)
    const whole = writeExr(makeFrame())
    const hostile: Uint8Array[] = [
      new Uint8Array(),
      Uint8Array.from({ length: 5_000 }, () => int(256)),
      whole.slice(0, whole.length / 2),
      pngSaying(65_000, 60_000, deflateSync(Buffer.alloc(1_000))),
      pngSaying(2_000_000_000, 2, deflateSync(Buffer.alloc(10))),
      pngSaying(8, 8, deflateSync(Buffer.alloc(50_000_000))),
      pngSaying(5_000, 5_000, Buffer.from('no zlib at all')),
      ...Array.from({ length: 40 }, () => whole.map((byte) => (int(200) === 0 ? int(256) : byte))),
    ]
    for (const bytes of hostile) {
      const { faults, crops } = await checks.look(await checks.keep(bytes), { width: 64, height: 48 })
      assert(faults.length > 0 || crops !== null, 'it is a fault, or it is a picture after all')
    }
    assert.deepEqual((await checks.look(await checks.keep(whole))).faults, [])
  })

  test('a picture that is to be so large is not looked at, and is no fault of its maker', async () => {
    await using checks = setup()
    const whole = deflateSync(Buffer.alloc(6_000 * (3 * 6_000 + 1)), { level: 9 })
    const large = await checks.keep(pngSaying(6_000, 6_000, whole))
    const { faults, doubts, crops } = await checks.look(large, { width: 6_000, height: 6_000 })
    assert.deepEqual([faults, doubts, crops], [[], ['too large to be looked at'], null])
  })

  test('a file of a few bytes is no large picture, whatever size it says and whatever is known of its step', async () => {
    await using checks = setup()
    const small = await checks.keep(pngSaying(6_000, 6_000, deflateSync(Buffer.alloc(1_000))))
    const look = async (width: number | null, height: number | null) =>
      (await checks.look(small, { width, height })).faults.join()
    assert.match(await look(6_000, 6_000), /^unreadable: .*6000 x 6000, which \d+ bytes do not hold$/)
    assert.match(await look(null, null), /^unreadable: .*6000 x 6000, and its step does not say/)
    assert.equal(await look(8_000, 6_000), 'size_wrong')
    assert.equal(await look(64, 48), 'size_wrong')
  })

  test('one that takes too long ends with its thread, and what waited behind it is looked at by the next', async () => {
    const timers: (() => void)[] = []
    const impatient = createPictureThread({
      clock: {
        after: (ms, run) => {
          timers.push(run)
          return nodeClock.after(ms, run)
        },
      },
    })
    const what = {
      bytes: writeExr(makeFrame()),
      kind: 'frame',
      expected,
      secret: new Uint8Array(32),
    } as const
    const first = impatient.look(what)
    const second = impatient.look(what)
    timers[0]?.()
    await assert.rejects(first, /took longer/)
    assert.deepEqual((await second).faults, [])
    await impatient.close()
    await assert.rejects(impatient.look(what), /ended/)
  })

  test('what a thread that was given up still answers is no answer to the next picture', async () => {
    const timers: (() => void)[] = []
    const clock = {
      after(_: number, run: () => void) {
        timers.push(run)
        return { cancel: () => undefined }
      },
    }
    const thread = createPictureThread({ clock })
    const what = { kind: 'frame', expected, secret: new Uint8Array(32) } as const
    const good = { ...what, bytes: writeExr(makeFrame()) }
    const bad = { ...what, bytes: new Uint8Array(100) }
    await thread.look(good)
    const first = thread.look(good)
    const second = thread.look(bad)
    // Meanwhile the first one's answer comes, and nobody reads it yet.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
    timers[1]?.()
    await assert.rejects(first, /took longer/)
    assert.notDeepEqual((await second).faults, [])
    await thread.close()
  })
})

test('frames of a job that "shoal render" makes are refused in another size than their scene has', async () => {
  await using checks = setup()
  const expectedIn = (facts: { width: number; height: number }) => {
    const flags = { frames: '7,8', tier: 'priority', format: 'PNG', device: 'CPU', priority: 50 } as const
    const scene = { file: 's.blend', remap: {}, facts: { ...stubFacts, ...facts } }
    const options = readRenderOptions({ ...flags, blender: 'blender' })
    const plan = { options, scene, frames: [7, 8], parts: 1, inputRoot: 'a'.repeat(64), inputBytes: 1_000 }
    const steps = identifySteps(planRender(plan), () => 'abc').map((step) => ({ ...step, estimates: [] }))
    const quote = { organisationId: 'ada', name: 's', tier: 'priority', isIdempotent: true, cap: 1n } as const
    const farm = new TestFarm()
    farm.submit(planOf({ ...quote, pricePerHour: 1n, steps }, { jobId: 'job_1', priority: 50 }))
    return expectedOf(farm.job(), { step: 0, task: 0 }, undefined)
  }
  const frame = await checks.keep(writeExr(makeFrame()))
  const faults = async (width: number, height: number) =>
    (await checks.look(frame, expectedIn({ width, height }))).faults
  assert.deepEqual(await faults(64, 48), [])
  assert.deepEqual(await faults(128, 96), ['size_wrong'])
  const saysLarge = await checks.keep(pngSaying(6_000, 6_000, deflateSync(Buffer.alloc(1_000))))
  assert.deepEqual((await checks.look(saysLarge, expectedIn({ width: 64, height: 48 }))).faults, [
    'size_wrong',
  ])
})

describe('what waits for its turn', () => {
  test('is read once, however often it is asked again meanwhile, and all who asked are answered', async () => {
    const slow = slowThread()
    await using checks = setup(slow.thread)
    const frame = await checks.keep(writeExr(makeFrame()))
    const asked = [checks.look(frame), checks.look(frame), checks.look(frame)]
    await slow.begun
    slow.answer()
    for (const { faults } of await Promise.all(asked)) assert.deepEqual(faults, ['of the first'])
    assert.equal(slow.calls(), 1)
    assert.deepEqual((await checks.look(frame)).faults, ['of the first'])
    assert.equal(slow.calls(), 2)
  })

  test('is not in memory before it: what one call is about is read when the one before it has its answer', async () => {
    const slow = slowThread()
    const read: string[] = []
    await using checks = setup(slow.thread, {
      async open(_, sha256) {
        const bytes = new Uint8Array(10)
        const whole = async () => {
          read.push(sha256.slice(0, 1))
          return bytes
        }
        return { bytes: 10, read: whole, close: async () => undefined }
      },
    })
    const frame = (digit: string) => ({ name: 'frame.exr', bytes: 10, sha256: digit.repeat(64) })
    const crops = { picture: frame('3').sha256, crops: '0,0,1,1', rendered: [frame('4')] }
    const asked = [checks.look(frame('1')), checks.look(frame('2')), checks.compare(crops)]
    await slow.begun
    // Files are only measured, and wait for nobody.
    assert.deepEqual((await checks.look(frame('5'), {}, 'files')).faults, [])
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    assert.deepEqual(read, ['1'])
    slow.answer()
    await Promise.all(asked)
    assert.deepEqual(read, ['1', '2', '3', '4'])
  })

  test('is left unanswered when this ends, and is no fault of its maker', async () => {
    const slow = slowThread()
    await using checks = setup(slow.thread)
    const frame = await checks.keep(writeExr(makeFrame()))
    let hasAnswer = false
    checks.look(frame).then(
      () => {
        hasAnswer = true
      },
      () => undefined,
    )
    await slow.begun
    await checks.close()
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    assert.equal(hasAnswer, false)
  })
})

test('what nobody asked in its form is left unanswered', async () => {
  await using checks = setup()
  for (const subject of [subjects.checkOutputs, subjects.compareCrops]) {
    const answered = await new Promise<boolean>((resolve) =>
      checks.bus.request({ subject, message: '{"x":', timeoutMs: 20 }, (problem) =>
        resolve(problem === null),
      ),
    )
    assert.equal(answered, false)
  }
})

const expected: CheckOutputs['expected'] = {
  ...{ width: null, height: null, frame: 7, sceneHash: 'abc', samples: 32, seed: 0, sampleOffset: null },
  neighbours: [],
}

function makeFrame(more = 1): Picture {
  const [width, height] = [64, 48]
  const values = Float32Array.from({ length: width * height * 3 }, (_, at) => more * (1 + Math.sin(at / 7)))
  const note = 'shoal scene=abc frame=7 samples=32 offset=0 seed=0'
  return { width, height, channels: 3, values, step: 0, metadata: { note } }
}

function pngSaying(width: number, height: number, data: Uint8Array): Uint8Array {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2], 8)
  const chunk = (name: string, body: Uint8Array): Buffer => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(body.length)
    return Buffer.concat([length, Buffer.from(name), body, Buffer.alloc(4)])
  }
  const parts = [chunk('IHDR', header), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))]
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...parts])
}

/** Answers the first when it is told to, and all later ones at once; fails what it has when it is closed. */
function slowThread() {
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
  const answered = Promise.withResolvers<void>()
  const found: OutputsChecked = {
    ...{ faults: ['of the first'], doubts: [], fingerprint: null, width: null, height: null, crops: null },
  }
  let calls = 0
  return {
    begun,
    answer: answered.resolve,
    calls: () => calls,
    thread: {
      async look() {
        calls++
        begin()
        await answered.promise
        return found
      },
      compare: () => Promise.reject(new Error('nothing is compared here')),
      async close() {
        answered.reject(new Problem('internal', 'It was ended.'))
      },
    },
  }
}

function setup(
  thread: PictureThread = createPictureThread({ clock: nodeClock }),
  files: Pick<BlobVault, 'open'> | null = null,
) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-checks-'))
  const log = { info() {}, warn() {}, error() {} }
  const bus = createLocalBus({ clock: nodeClock, log })
  const { parts, vault } = vaultOn(createDiskBlobStore(folder, { bytesMax: 1e12 }), nodeClock)
  // Who has nothing waits before it says so: not here.
  const clock = { after: (_: number, run: () => void) => nodeClock.after(0, run) }
  const served = serveChecks({ bus, clock, secrets: parts.secrets, log, vault: files ?? vault }, thread)
  const ask = (subject: string, message: string): Promise<unknown> =>
    new Promise((resolve, reject) =>
      bus.request({ subject, message, timeoutMs: 60_000 }, (problem, reply) =>
        problem ? reject(problem) : resolve(JSON.parse(reply)),
      ),
    )
  return {
    bus,
    async keep(bytes: Uint8Array): Promise<OutputFile> {
      return { name: 'frame.exr', bytes: bytes.length, sha256: await keepObject(vault, bytes) }
    },
    async look(
      output: OutputFile,
      part: Partial<CheckOutputs['expected']> = {},
      kind: CheckOutputs['kind'] = 'frame',
    ): Promise<OutputsChecked> {
      const wanted = { ...expected, ...part }
      const message: CheckOutputs = { organisationId: 'ada', outputs: [output], kind, expected: wanted }
      return OutputsChecked.parse(await ask(subjects.checkOutputs, JSON.stringify(message)))
    },
    async compare(call: Omit<CompareCrops, 'organisationId'>): Promise<CropsCompared> {
      const message = JSON.stringify({ organisationId: 'ada', ...call })
      return CropsCompared.parse(await ask(subjects.compareCrops, message))
    },
    close: () => served.close(),
    async [Symbol.asyncDispose]() {
      await served.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
