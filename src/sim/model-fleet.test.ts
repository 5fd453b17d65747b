/** Models on a simulated fleet: what the network promises of them, also when nodes die and lines break. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkState } from '#coordinator/coordinator-state.ts'
import { LOADS_PER_HOUR_MAX } from '#models/models.ts'
import type { AddModel } from '#protocol/model-catalogue.ts'
import { loadedMib, type ModelFleetRun, runModelFleet, type SimNode } from './model-fleet-run.ts'

const SECOND_MS = 1_000
const MINUTE_MS = 60_000

test('a model is placed, loaded, warmed and then asked', async () => {
  const fleet = await runModelFleet({ seed: 1, nodesMib: [1_000, 1_000] })
  fleet.add(model('m-100'))
  await fleet.run(SECOND_MS)
  fleet.ask('m-100')
  await fleet.run(30 * SECOND_MS)
  assert.equal(fleet.ready('m-100'), 1)
  assert.deepEqual(fleet.ended, { finished: 1, refused: [], failed: [] })
})

test('demand makes replicas within a minute, and a lull takes them back one by one', async () => {
  const fleet = await runModelFleet({ seed: 2, nodesMib: [1_000, 1_000, 1_000] })
  fleet.add({ ...model('m-100'), replicasMax: 3, slots: 2 })
  await busy(fleet, { model: 'm-100', perSecond: 4, forMs: 2 * MINUTE_MS })
  assert.equal(fleet.ready('m-100'), 3)
  await busy(fleet, { model: 'm-100', perSecond: 0, forMs: 5 * MINUTE_MS })
  assert.equal(fleet.ready('m-100'), 3, 'a lull of minutes takes none back')
  await busy(fleet, { model: 'm-100', perSecond: 0, forMs: 25 * MINUTE_MS })
  assert.equal(fleet.ready('m-100'), 1)
  assert.deepEqual(
    fleet.evicted.map(({ reason }) => reason),
    ['surplus', 'surplus'],
  )
  assert.deepEqual(fleet.ended.failed, [])
})

test('a fleet at rest, and one with steady work, changes nothing for an hour', async () => {
  for (const perSecond of [0, 2]) {
    const fleet = await runModelFleet({ seed: 3, nodesMib: [1_000, 1_000, 1_000] })
    fleet.add({ ...model('m-100'), replicasMax: 3 })
    fleet.add({ ...model('m-200'), replicasMax: 2 })
    await busy(fleet, { model: 'm-100', perSecond, forMs: 30 * MINUTE_MS })
    const before = fleet.placed.length + fleet.evicted.length
    await busy(fleet, { model: 'm-100', perSecond, forMs: 60 * MINUTE_MS })
    assert.equal(fleet.placed.length + fleet.evicted.length, before)
  }
})

test('a model without a minimum is loaded when it is asked for, and unloaded when nobody does', async () => {
  const fleet = await runModelFleet({ seed: 4, nodesMib: [1_000] })
  fleet.add({ ...model('m-100'), replicasMin: 0, replicasMax: 1 })
  await fleet.run(MINUTE_MS)
  assert.equal(fleet.placed.length, 0)
  fleet.ask('m-100')
  await fleet.run(30 * SECOND_MS)
  assert.deepEqual([fleet.ready('m-100'), fleet.ended.finished], [1, 1])
  await fleet.run(20 * MINUTE_MS)
  assert.deepEqual([fleet.ready('m-100'), fleet.nodes[0]?.open.models.size], [0, 0])
})

test('a request for a cold model whose load takes long is refused with the time that it takes', async () => {
  const fleet = await runModelFleet({ seed: 5, nodesMib: [9_000] })
  fleet.add(model('m-6000'))
  await fleet.run(10 * SECOND_MS)
  fleet.ask('m-6000')
  const [refused] = fleet.ended.refused
  assert.equal(refused?.code, 'model_loading')
  const afterMs = Number(refused?.details['retryAfterMs'])
  // 6,000 MiB at 50 KiB a millisecond take two minutes.
  assert.ok(afterMs > 60_000 && afterMs < 180_000, String(afterMs))
  await fleet.run(afterMs)
  fleet.ask('m-6000')
  await fleet.run(10 * SECOND_MS)
  assert.equal(fleet.ended.finished, 1)
})

test('a model that fits nowhere is refused with why', async () => {
  const fleet = await runModelFleet({ seed: 6, nodesMib: [300] })
  fleet.add({
    ...model('m-900'),
    facts: { sizeBytes: 900 * 2 ** 20, kvBytesPerToken: 0, contextTokens: 8_192 },
  })
  await fleet.run(5 * SECOND_MS)
  fleet.ask('m-900')
  const [refused] = fleet.ended.refused
  assert.equal(refused?.code, 'no_node_available')
  assert.match(refused?.message ?? '', /1 without the memory for it/)
})

test('a removed model takes no new work, and its streams end whole before it is unloaded', async () => {
  const fleet = await runModelFleet({ seed: 7, nodesMib: [1_000] })
  fleet.add(model('m-100'))
  await fleet.run(20 * SECOND_MS)
  for (let index = 0; index < 4; index++) fleet.ask('m-100', 100)
  await fleet.run(300)
  fleet.remove('m-100')
  await fleet.run(20 * SECOND_MS)
  assert.deepEqual([fleet.ended.finished, fleet.ended.failed], [4, []])
  assert.equal(fleet.nodes[0]?.open.models.size, 0)
})

test('a model waits for the memory of one whose streams are still ending', async () => {
  const fleet = await runModelFleet({ seed: 9, nodesMib: [700] })
  const [node] = fleet.nodes
  assert.ok(node)
  // The file of the second is on the disk already, so that it could load at once.
  for (const name of ['m-300', 'm-400']) {
    fleet.add(model(name))
    await fleet.run(40 * SECOND_MS)
    assert.equal(fleet.ready(name), 1)
    if (name === 'm-300') fleet.remove(name)
    await fleet.run(5 * SECOND_MS)
  }
  for (let index = 0; index < 8; index++) fleet.ask('m-400', 120)
  await fleet.run(300)
  fleet.remove('m-400')
  fleet.add(model('m-300'))
  for (let ms = 0; ms < 20 * SECOND_MS; ms += 50) {
    await fleet.run(50)
    assertBounds(fleet)
  }
  assert.deepEqual([fleet.ready('m-300'), fleet.ended.failed.length], [1, 0])
})

test('a coordinator that starts anew leaves what is loaded where it is', async () => {
  const fleet = await runModelFleet({ seed: 8, nodesMib: [1_000, 1_000, 1_000] })
  fleet.add({ ...model('m-100'), replicasMax: 3, slots: 2 })
  fleet.add({ ...model('m-200'), replicasMin: 0, replicasMax: 1 })
  await fleet.run(SECOND_MS)
  fleet.ask('m-200')
  await busy(fleet, { model: 'm-100', perSecond: 4, forMs: 2 * MINUTE_MS })
  const before = fleet.placed.length
  await fleet.restartCoordinator()
  await busy(fleet, { model: 'm-100', perSecond: 4, forMs: 3 * MINUTE_MS })
  assert.deepEqual([fleet.placed.length, fleet.evicted], [before, []])
  assert.deepEqual([fleet.ready('m-100'), fleet.ready('m-200')], [3, 1])
})

for (let seed = 1; seed <= 4; seed++) {
  test(`through an hour of dying nodes and broken lines, seed ${seed}`, async () => {
    const fleet = await runModelFleet({
      seed,
      nodesMib: [700, 900, 1_200, 1_200, 2_000],
      failuresPer1000: 20,
    })
    await chaos(fleet)
  })
}

/** An hour of everything, then ten quiet minutes in which all comes right. */
async function chaos(fleet: ModelFleetRun): Promise<void> {
  const { random, nodes } = fleet
  const names = ['m-100', 'm-200', 'm-300', 'm-400']
  const shortSince = new Map<string, number>()
  const known = new Set<string>()
  for (const name of names.slice(0, 3)) {
    fleet.add({ ...model(name), replicasMin: random.int(2), replicasMax: 1 + random.int(3) })
    known.add(name)
  }
  const dead = new Map<SimNode, number>()
  for (let second = 0; second < 3_600; second++) {
    for (const [node, until] of dead) {
      if (second < until) continue
      dead.delete(node)
      fleet.start(node)
    }
    if (random.chance(1, 240)) {
      const node = nodes[random.int(nodes.length)]
      if (node && !dead.has(node)) {
        fleet.kill(node)
        dead.set(node, second + 2 + random.int(120))
      }
    }
    if (random.chance(1, 400)) toggle(fleet, names[random.int(names.length)] ?? '', known)
    const wave = Math.sin(second / 300) > 0
    for (const name of known) if (random.chance(wave ? 3 : 1, 6)) fleet.ask(name, 1 + random.int(60))
    await fleet.run(SECOND_MS)
    assertBounds(fleet)
    assertNoneShort(fleet, { shortSince, second })
  }
  for (const node of dead.keys()) fleet.start(node)
  for (let second = 0; second < 600; second++) {
    await fleet.run(SECOND_MS)
    assertBounds(fleet)
  }
  for (const name of known) {
    const min = fleet.service().coordinator.state.models.catalogue.get(name)?.settings.replicasMin ?? 0
    assert.ok(fleet.ready(name) >= min, `${name} has ${fleet.ready(name)} of ${min}`)
  }
  checkState(fleet.service().coordinator.state)
  assert.ok(fleet.ended.finished > 500, `${fleet.ended.finished} answers`)
  assert.equal(fleet.gateway.requestsOpen(), 0)
}

function toggle(fleet: ModelFleetRun, name: string, known: Set<string>): void {
  if (known.delete(name)) return fleet.remove(name)
  fleet.add({ ...model(name), replicasMin: 1, replicasMax: 2 })
  known.add(name)
}

/** No node over its memory, and none told to load more in an hour than it may. */
function assertBounds({ nodes, placed, service }: ModelFleetRun): void {
  const nowMs = service().coordinator.nowMs()
  for (const node of nodes) {
    const mib = loadedMib(node)
    assert.ok(mib <= node.memoryMib, `${node.nodeId} has ${mib} MiB loaded of ${node.memoryMib}`)
    const lately = placed.filter(
      ({ nodeId, atMs }) => nodeId === node.nodeId && atMs > nowMs - 60 * MINUTE_MS,
    )
    assert.ok(lately.length <= LOADS_PER_HOUR_MAX, `${node.nodeId} was told to load ${lately.length} models`)
  }
}

/** No model is below its minimum for five minutes while some node could take it all that time. */
function assertNoneShort(
  { nodes, service }: ModelFleetRun,
  { shortSince, second }: { shortSince: Map<string, number>; second: number },
): void {
  const { models } = service().coordinator.state
  const nowMs = service().coordinator.nowMs()
  for (const [name, entry] of models.catalogue) {
    const { replicas } = service().models.stateOf(name, nowMs)
    const live = replicas.serving.length + replicas.loading.length
    const capable = nodes.some((node) => {
      const isHere = service().coordinator.state.fleet.nodes.get(node.nodeId)?.presence === 'online'
      const failed = models.failures.get(node.nodeId)?.has(name) === true
      const times = (models.loads.get(node.nodeId) ?? []).filter((atMs) => atMs > nowMs - 60 * MINUTE_MS)
      return isHere && !failed && times.length < LOADS_PER_HOUR_MAX && !models.placements.has(node.nodeId)
    })
    if (live >= entry.settings.replicasMin || !capable) shortSince.delete(name)
    else if (!shortSince.has(name)) shortSince.set(name, second)
    const since = shortSince.get(name)
    assert.ok(since === undefined || second - since < 300, `${name} is short since second ${since}`)
  }
  for (const name of shortSince.keys()) if (!models.catalogue.has(name)) shortSince.delete(name)
}

async function busy(
  fleet: ModelFleetRun,
  { model: name, perSecond, forMs }: { model: string; perSecond: number; forMs: number },
): Promise<void> {
  for (let ms = 0; ms < forMs; ms += SECOND_MS) {
    for (let index = 0; index < perSecond; index++) fleet.ask(name, 60)
    await fleet.run(SECOND_MS)
  }
}

const model = (name: string): AddModel => ({
  name,
  source: { kind: 'url', url: `https://models.example/${name}.gguf` },
  replicasMin: 1,
  replicasMax: 1,
})
