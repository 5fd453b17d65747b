import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OBJECT_BYTES_MAX } from '#blobs/chunk-cutter.ts'
import { readGrant } from '#blobs/grant.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { HOUR_MS } from '#kernel/time.ts'
import { subjects } from '#protocol/cell.ts'
import { decodeFrames, decodeJson, FrameType } from '#protocol/frame.ts'
import { Problem } from '#protocol/problem.ts'
import { WorkNews, type WorkOrder, WorkOrders, WorkSay, workOrdersTo } from '#protocol/work-link.ts'
import { createTestWorld } from '#sim/test-world.ts'
import type { NodeWish } from './blobs/blob-access.ts'
import { createWorkPipe, type PipeNode } from './work-pipe.ts'

const TREE = 'aa'.repeat(32)
const FILE = 'bb'.repeat(32)
const beat = (...fences: number[]): WorkSay => ({
  kind: 'beat',
  held: fences.map((fence) => ({ fence, fraction: 0 })),
  room: 1,
})

test('what nodes say comes to the coordinator in order, and what comes together travels together', async () => {
  const { pipe, node, other, news, run } = setup()
  pipe.hear(node, bytesOf({ kind: 'deliver', fence: 1 }))
  pipe.hear(other, bytesOf({ kind: 'deliver', fence: 9 }))
  for (let fence = 2; fence <= 5; fence++) pipe.hear(node, bytesOf({ kind: 'deliver', fence }))
  await run(50)
  assert.equal(news.length, 2)
  // The coordinator sends a long grant in pages to those alone who say so.
  assert.ok(news.every(({ takesPages }) => takesPages === true))
  const said = news.flatMap((one) => one.said)
  const own = said
    .filter(({ nodeId }) => nodeId === 'node_1')
    .map(({ say }) => ('fence' in say ? say.fence : 0))
  assert.deepEqual([own, said.length], [[1, 2, 3, 4, 5], 6])
})

test('a grant brings what lets its node at the files, for as long as the attempt may take', async () => {
  const { pipe, node, tell, told, run, nowMs } = setup()
  pipe.hear(node, bytesOf(beat()))
  await tell({ ...grant, estimateMs: 1_000_000 })
  const [order] = told
  assert.equal(order?.kind, 'grant')
  const token = readGrant(order.token ?? '', { sign, nowMs: nowMs() })
  assert.ok(typeof token !== 'string')
  const { expiresAtMs, ...rest } = token
  assert.deepEqual(rest, {
    ...{ organisationId: 'org', nodeId: 'node_1', fence: 7, mayWrite: true },
    read: [{ kind: 'tree', sha256: TREE }],
  })
  // A video of six hours that waits behind another, and is sent.
  assert.ok(expiresAtMs > nowMs() + 13 * HOUR_MS && expiresAtMs <= nowMs() + 24 * HOUR_MS)
  await run(1)
})

test('a node may have what its live attempts take, and nothing else', async () => {
  const { pipe, node, other, tell } = setup()
  pipe.hear(node, bytesOf(beat()))
  await tell(grant)
  const allowed = (wish: Partial<NodeWish>): boolean => pipe.mayNode({ ...ask, ...wish })
  assert.equal(allowed({}), true, 'results')
  assert.equal(allowed({ root: { kind: 'tree', sha256: TREE } }), true)
  assert.equal(allowed({ root: { kind: 'object', sha256: FILE } }), true, 'a file of another step')
  assert.equal(allowed({ root: { kind: 'tree', sha256: FILE } }), false)
  assert.equal(allowed({ root: { kind: 'object', sha256: TREE } }), false)
  assert.equal(allowed({ organisationId: 'other' }), false)
  pipe.hear(other, bytesOf(beat()))
  assert.equal(allowed({ nodeId: 'node_2' }), false)
  assert.equal(allowed({ fence: 8 }), false)
  assert.equal(allowed({ fence: undefined }), false)
})

for (const [how, end] of [
  ['cancelled', { kind: 'cancel', fence: 7 }],
  ['refused', { kind: 'answer', to: 'commit', fence: 7, refusal: 'fence_stale' }],
  ['delivered', { kind: 'answer', to: 'deliver', fence: 7, refusal: null }],
  ['failed', { kind: 'answer', to: 'fail', fence: 7, refusal: null }],
] as const)
  test(`an attempt that was ${how} takes its files with it, whatever its node mentions`, async () => {
    const { pipe, node, tell } = setup()
    pipe.hear(node, bytesOf(beat()))
    await tell(grant, { kind: 'answer', to: 'commit', fence: 7, refusal: null })
    assert.equal(pipe.mayNode(ask), true)
    await tell(end)
    pipe.hear(node, bytesOf(beat(7)))
    assert.equal(pipe.mayNode(ask), false)
    await tell(grant)
    assert.equal(pipe.mayNode(ask), false, 'a grant that comes late does not bring it back')
  })

test('a gateway that started anew goes by what the node mentions and the token says', async () => {
  const { pipe, node, tell, news, run } = setup()
  assert.throws(() => pipe.mayNode(ask), isUnavailable, 'a transfer that is back before its connection waits')
  pipe.hear(node, bytesOf(beat(7)))
  assert.equal(pipe.mayNode(ask), true)
  assert.equal(pipe.mayNode({ ...ask, root: { kind: 'tree', sha256: TREE } }), true)
  const file = { ...ask, root: { kind: 'object', sha256: FILE } } as const
  assert.throws(() => pipe.mayNode(file), isUnavailable, 'nobody signed that one')
  await run(10)
  assert.deepEqual(
    news.flatMap(({ unknown = [] }) => unknown),
    [{ nodeId: 'node_1', fence: 7 }],
    'the coordinator is asked',
  )
  await tell(grant)
  assert.equal(pipe.mayNode(file), true)
  await tell({ kind: 'cancel', fence: 7 })
  assert.equal(pipe.mayNode(ask), false)
})

test('of an attempt as much is kept as its node committed itself to, once, and nothing before', async () => {
  const { pipe, node, tell } = setup()
  const of = { nodeId: 'node_1', fence: 7 }
  const MORE = 16 * 1024 ** 2
  const commit = (bytes: number) =>
    pipe.hear(
      node,
      bytesOf({ kind: 'commit', fence: 7, outputs: [{ name: 'a', bytes, sha256: FILE }], wallMs: 1 }),
    )
  pipe.hear(node, bytesOf(beat()))
  await tell(grant)
  assert.equal(pipe.resultBytesMax(of), 0)
  commit(1_000_000)
  assert.equal(pipe.resultBytesMax(of), 1_050_000 + MORE)
  commit(9_000_000)
  await tell(grant)
  assert.equal(pipe.resultBytesMax(of), 1_050_000 + MORE, 'said otherwise, or granted again')
  await tell({ kind: 'cancel', fence: 7 })
  assert.equal(pipe.mayNode(ask), false)
})

for (const [engine, bytesMax] of [
  ['blender', 4 * 1024 ** 3],
  ['ffmpeg', OBJECT_BYTES_MAX],
] as const)
  test(`no ${engine} attempt keeps more than any may make, whatever its node says or said to a gateway before`, async () => {
    const { pipe, node, tell } = setup()
    const of = { nodeId: 'node_1', fence: 7 }
    const most = bytesMax * 1.05 + 16 * 1024 ** 2
    pipe.hear(node, bytesOf(beat(7)))
    assert.equal(pipe.resultBytesMax(of), OBJECT_BYTES_MAX * 1.05 + 16 * 1024 ** 2)
    await tell({ ...grant, engine })
    assert.equal(pipe.resultBytesMax(of), most, 'made before this gateway was told of it')
    const outputs = [{ name: 'a', bytes: 1e15, sha256: FILE }]
    pipe.hear(node, bytesOf({ kind: 'commit', fence: 7, outputs, wallMs: 1 }))
    assert.equal(pipe.resultBytesMax(of), most)
  })

test('a lost connection keeps an attempt for a while, and one that stays away loses it', async () => {
  const { pipe, node, tell, run } = setup()
  pipe.hear(node, bytesOf(beat()))
  await tell(grant)
  pipe.lost(node)
  await run(60_000)
  assert.equal(pipe.mayNode(ask), true)
  await run(60_000)
  assert.throws(() => pipe.mayNode(ask), isUnavailable)
  pipe.hear(node, bytesOf(beat()))
  assert.equal(pipe.mayNode(ask), false)
})

test('one that comes back in time keeps it, though its old connection ends later', async () => {
  const { pipe, node, tell, run } = setup()
  pipe.hear(node, bytesOf(beat()))
  await tell(grant)
  pipe.hear({ ...node }, bytesOf(beat(7)))
  pipe.lost(node)
  await run(200_000)
  assert.equal(pipe.mayNode(ask), true)
})

test('what no agent says costs the connection', () => {
  const { pipe, node } = setup()
  const hear =
    (text: string | Uint8Array, at = node) =>
    () =>
      pipe.hear(at, typeof text === 'string' ? new TextEncoder().encode(text) : text)
  assert.throws(hear('no json'), Problem)
  assert.throws(hear('{"kind":"dance"}'))
  assert.throws(hear('{"kind":"deliver","fence":-1}'))
  assert.throws(hear('{"kind":"deliver","fence":1e30}'))
  assert.throws(
    hear(JSON.stringify({ kind: 'beat', room: 1, held: Array(17).fill({ fence: 1, fraction: 0 }) })),
  )
  assert.throws(
    hear('{"kind":"commit","fence":1,"wallMs":1,"outputs":[{"name":"a","bytes":1,"sha256":"zz"}]}'),
  )
  assert.throws(hear(new Uint8Array(800 * 1024)), /says 819200 bytes/)
  assert.throws(hear('{"kind":"deliver","fence":1}', { ...node, protocol: 3 }), /a version without them/)
})

test('a node that floods is cut, and one that says what there is to say never is', async () => {
  const { pipe, node, other, run } = setup()
  const word = bytesOf({ kind: 'deliver', fence: 1 })
  for (let second = 0; second < 60; second++) {
    for (let count = 0; count < 30; count++) pipe.hear(other, word)
    await run(1_000)
  }
  assert.throws(() => {
    for (let count = 0; count < 1_000; count++) pipe.hear(node, word)
  }, /more of its tasks than there can be/)
})

test('what is no order for a node that is here is dropped, and the others get theirs', async () => {
  const { pipe, node, tell, told, tellRaw, run } = setup()
  pipe.hear(node, bytesOf(beat()))
  await tell({ ...grant, organisationId: 'x'.repeat(100) }, { kind: 'who' })
  assert.deepEqual(
    told.map(({ kind }) => kind),
    ['who'],
    'a grant that cannot be signed',
  )
  tellRaw(JSON.stringify(WorkOrders.encode({ orders: [{ nodeId: 'node_3', order: { kind: 'who' } }] })))
  await run(10)
  assert.equal(told.length, 1)
})

test('a grant beyond what a frame takes is told to nobody, and costs nobody else anything', async () => {
  const { pipe, node, tell, told } = setup()
  pipe.hear(node, bytesOf(beat()))
  const files = Array.from({ length: 9_000 }, (_, at) => ({
    ...{ path: `${'é'.repeat(590)}${at}`, bytes: 1, sha256: FILE },
  }))
  await tell({ ...grant, files }, { kind: 'who' })
  assert.deepEqual(
    told.map(({ kind }) => kind),
    ['who'],
  )
  assert.equal(pipe.mayNode(ask), false)
})

test('a grant of very many files comes in pages, and goes to its node whole or not at all', async () => {
  const { pipe, node, told, tellRaw, run, news } = setup()
  pipe.hear(node, bytesOf(beat()))
  const files = Array.from({ length: 9_000 }, (_, at) => ({
    ...{ path: `frames/frame-${at}.png`, bytes: 1, sha256: FILE },
  }))
  const tellPage = (from: number, fence = 7): void => {
    const order = { ...grant, fence, files: files.slice(from, from + 3_000) }
    const orders = [{ nodeId: 'node_1', order, page: { from, of: 9_000 } }]
    tellRaw(JSON.stringify(WorkOrders.encode({ orders })))
  }
  for (const from of [3_000, 0, 0, 6_000]) tellPage(from)
  await run(10)
  const [whole] = told
  assert.deepEqual([told.length, whole?.kind === 'grant' && whole.files.length], [1, 9_000])
  assert.ok(whole?.kind === 'grant' && JSON.stringify(whole.files) === JSON.stringify(files))
  for (const from of [3_000, 6_000]) tellPage(from, 8)
  await run(10)
  assert.equal(told.length, 1, 'the first page was lost')
  pipe.hear(node, bytesOf(beat(7, 8)))
  await run(10)
  assert.deepEqual(news.at(-1)?.unknown, [{ nodeId: 'node_1', fence: 8 }])
})

const grant: WorkOrder & { kind: 'grant' } = {
  ...{ kind: 'grant', fence: 7, jobId: 'job_1', organisationId: 'org', step: 0, task: 0 },
  ...{ engine: 'blender', settings: {}, params: {}, inputRoot: TREE, estimateMs: 1_000 },
  files: [{ path: 'a.png', bytes: 1, sha256: FILE }],
}
const ask: NodeWish = { nodeId: 'node_1', organisationId: 'org', root: null, fence: 7 }

const isUnavailable = (error: unknown): boolean => error instanceof Problem && error.code === 'unavailable'

const bytesOf = (say: WorkSay): Uint8Array => new TextEncoder().encode(JSON.stringify(WorkSay.encode(say)))
const sign = (text: string): string => Buffer.from(nodeCrypto.hmacSha256('secret', text)).toString('hex')

function setup() {
  const world = createTestWorld()
  world.faults.delayMsMax = 1
  const { host } = world.machine('g')
  const pipe = createWorkPipe({ ...host, crypto: nodeCrypto }, { gatewayId: 'g1', keySecret: 'secret' })
  const news: WorkNews[] = []
  host.bus.subscribe(subjects.work, (message) => void news.push(WorkNews.parse(JSON.parse(message))))
  const told: WorkOrder[] = []
  const node: PipeNode = {
    nodeId: 'node_1',
    session: 1,
    protocol: 4,
    send(message) {
      const [frame] = decodeFrames(message)
      assert.equal(frame?.type, FrameType.work)
      told.push(decodeJson(frame.payload) as WorkOrder)
    },
  }
  const tellRaw = (text: string): void => host.bus.publish(workOrdersTo('g1'), text)
  return {
    pipe,
    node,
    other: { ...node, nodeId: 'node_2' },
    news,
    told,
    tellRaw,
    run: world.run,
    nowMs: () => host.clock.nowMs(),
    async tell(...orders: WorkOrder[]) {
      tellRaw(
        JSON.stringify(WorkOrders.encode({ orders: orders.map((order) => ({ nodeId: 'node_1', order })) })),
      )
      await world.run(10)
    },
  }
}
