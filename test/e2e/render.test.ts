/** Nodes that render for a network: `shoal up` with its own node, and another that serves no model at all. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { blenderMissing, makeScene, openPicture } from '#engines/blender/test-blender.ts'
import { until } from './process-group.ts'
import { type Network, openRig, startNetwork } from './rig.ts'

const skip = blenderMissing()
const ownNode = ['--model', 'none', '--render-threads', '1']

const rig = openRig()
let network: Network
before(async () => {
  if (skip !== false) return
  makeScene(rig.path('scene/shot.blend'), 'textured', {
    width: 48,
    height: 32,
    samples: 8,
    frames: 8,
    spheres: 4,
  })
  network = await startNetwork(rig, rig.path('data'), ownNode)
})
after(() => rig.dispose())

test('a machine with nothing but Blender joins, says what it offers, and renders its part of a job', {
  skip,
}, async () => {
  const { token } = await network.operator.createEnrolmentToken({ body: { expiresInMs: 600_000 } })
  const second = rig.start([
    ...['provide', '--data', rig.path('second'), '--name', 'second', '--join', network.ready.apiUrl],
    ...['--token', token, '--model', 'none', '--render-threads', '1'],
  ])
  const offers = await until(
    'the second node to be measured',
    () => /takes tasks for .*/.exec(second.output())?.[0],
  )
  assert.match(offers, /Blender \d+\.\d+.*, CPU, .*at \d+\.\d\d of the reference machine's speed/)
  assert.doesNotMatch(offers, /programs of jobs/)
  await until('both nodes to take tasks', async () => (await network.status()).work?.nodes === 2)

  const out = rig.path('out')
  const { code, stderr } = await rig.run([
    'render',
    rig.path('scene/shot.blend'),
    '--out',
    out,
    '--yes',
    '--watch',
    ...network.options,
  ])
  assert.equal(code, 0, stderr)
  // Both nodes are of one owner: all were checked by the network's own agent, which began with the job.
  const { items } = await network.operator.listJobs({ query: {} })
  assert.deepEqual([items[0]?.steps[0]?.checked, items[0]?.unverified], [8, 0])
  const frames = readdirSync(out).filter((name) => name.startsWith('frame-'))
  assert.deepEqual(
    frames,
    [1, 2, 3, 4, 5, 6, 7, 8].map((frame) => `frame-000${frame}.png`),
  )
  for (const name of frames) {
    const { width, height } = openPicture(join(out, name))
    assert.deepEqual([width, height], [48, 32])
  }
  assert.equal(new Set(frames.map((name) => readFileSync(join(out, name), 'hex'))).size, 8, 'each is its own')
  // What it has of jobs is its files, within its limit; what it made is at the network, and gone here.
  assert.deepEqual(readdirSync(rig.path('second/provider/work/outputs')), [])

  second.signal('SIGINT')
  assert.equal((await second.end).code, 0)
  await until('the network to know that it left', async () => {
    const { items } = await network.operator.listNodes({ query: {} })
    return items.some(({ name, presence }) => name === 'second' && presence !== 'online')
  })
  const scratch = readdirSync(rig.path('second/provider/work/scratch'))
  assert.deepEqual(scratch, [], 'no Blender is left, nor what it wrote')
})

test('a node that is told to render nothing takes no tasks, and says nothing of them', { skip }, async () => {
  const { token } = await network.operator.createEnrolmentToken({ body: { expiresInMs: 600_000 } })
  const third = rig.start([
    ...['provide', '--data', rig.path('third'), '--join', network.ready.apiUrl, '--token', token],
    ...['--model', rig.tinyPath(), '--render', 'off'],
  ])
  await until('it to serve', () => / serves /.test(third.output()))
  assert.doesNotMatch(third.output(), /task|render/i)
  third.signal('SIGINT')
  await third.end
})
