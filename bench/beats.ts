/**
 * What 1,000 nodes' signs of life cost the coordinator: as they come over the bus, checked, heard and answered, a beat a second and
 * node, in the batches of a gateway. Nodes that work, nodes that wait while there is nothing, and nodes that wait while others work and
 * might be raced. The coordinator, its deciders and its journal are the real ones on a simulated disk. `--nodes N` (1000),
 * `--seconds N` (30).
 */
import { parseArgs } from 'node:util'
import { type Coordinator, openCoordinator } from '#coordinator/coordinator.ts'
import { serveWork } from '#coordinator/work/serve-work.ts'
import type { Bus } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { subjects } from '#protocol/cell.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import { WorkNews, type WorkSay } from '#protocol/work-link.ts'
import { createTestWorld, foundCell, PAYER } from '#sim/test-world.ts'
import { print, whole } from './parts/machine.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    nodes: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '30' },
  },
})
const [nodes, seconds] = [Number(values.nodes), Number(values.seconds)]
const BATCH = 100
const write = jsonWriter(WorkNews)

const hello: WorkSay = {
  kind: 'hello',
  facts: {
    kinds: ['blender'],
    speed: 1,
    memoryMib: 8_192,
    vramMib: 0,
    bytesPerSecond: 1e7,
    askPerHour: 1n,
    engines: {},
  },
  cached: ['a'.repeat(64)],
}

type Case = 'working' | 'waiting' | 'racing'
const results: { case: Case; beatsPerCpuSecond: number; percentOfCore: number; entries: number }[] = []
for (const one of ['working', 'waiting', 'racing'] as const) results.push(await measure(one))

print(values.json, { bench: 'beats', nodes, seconds, results }, () => [
  `${whole(nodes)} nodes, a beat a second each, in batches of ${BATCH}, for ${seconds} s:`,
  '',
  ...results.map(
    ({ case: name, beatsPerCpuSecond, percentOfCore, entries }) =>
      `nodes ${name}: ${whole(beatsPerCpuSecond)} beats per CPU-second, ${percentOfCore.toFixed(1)} % of a core; ${entries} entries in the journal`,
  ),
])

async function measure(what: Case): Promise<(typeof results)[number]> {
  const { coordinator, say, world } = await open()
  if (what !== 'waiting') submit(coordinator, what === 'working' ? 4 * nodes : nodes)
  await world.run(100)
  const names = Array.from({ length: nodes }, (_, node) => `node_${node}`)
  // Where others are raced, one of ten nodes has it all.
  const first = what === 'racing' ? names.slice(0, nodes / 10) : names
  for (const batch of batches(names)) say(batch, () => hello)
  await world.run(1_000)
  const { work } = coordinator.state
  const heldBy = (nodeId: string): readonly number[] => work.nodes.get(nodeId)?.held ?? []
  assert(what === 'waiting' || first.some((nodeId) => heldBy(nodeId).length > 0), 'there is work')
  const entriesBefore = coordinator.sequence()
  let cpuMs = 0
  for (let second = 0; second < seconds; second++) {
    for (const batch of batches(names)) {
      const before = process.cpuUsage()
      say(batch, (nodeId) => {
        const held = heldBy(nodeId).map((fence) => ({ fence, fraction: Math.min(1, second / 100) }))
        return { kind: 'beat', held, room: 2 - held.length }
      })
      const { user, system } = process.cpuUsage(before)
      cpuMs += (user + system) / 1_000
    }
    await world.run(1_000)
  }
  return {
    case: what,
    beatsPerCpuSecond: (nodes * seconds * 1_000) / cpuMs,
    percentOfCore: cpuMs / seconds / 10,
    entries: coordinator.sequence() - entriesBefore,
  }
}

async function open() {
  const world = createTestWorld()
  const { host } = world.machine('coordinator')
  const options = { snapshotEvery: 1_000_000, onFatal: (problem: Error) => assert(false, problem.message) }
  const coordinator = await world.settle(openCoordinator(host, options))
  const keys = Object.fromEntries(Array.from({ length: nodes }, (_, node) => [`node_${node}`, `key ${node}`]))
  coordinator.execute((turn) => {
    foundCell(turn, { nodes: keys, balance: 10n ** 15n })
    for (const nodeId of Object.keys(keys))
      turn.fleet({ kind: 'come_online', nodeId, gatewayId: 'g', session: 1, nowMs: turn.nowMs })
  })
  let receive: (message: string) => void = () => {}
  const bus: Bus = {
    ...host.bus,
    publish: () => {},
    subscribe(subject, run) {
      if (subject === subjects.work) receive = run
      return { close() {} }
    },
  }
  serveWork({ ...host, bus, coordinator, feeBps: 500 })
  const say = (batch: readonly string[], sayOf: (nodeId: string) => WorkSay): void =>
    receive(write({ gatewayId: 'g', said: batch.map((nodeId) => ({ nodeId, say: sayOf(nodeId) })) }))
  return { world, coordinator, say }
}

function* batches(names: readonly string[]): Iterable<readonly string[]> {
  for (let at = 0; at < names.length; at += BATCH) yield names.slice(at, at + BATCH)
}

/** Of tasks that take longer than the bench. */
function submit(coordinator: Coordinator, tasks: number): void {
  const planned = { referenceMs: 3_600_000, referenceMsP90: 4_000_000 }
  const step = {
    name: 'frames',
    digest: 'd',
    dependsOn: [],
    requirements: { kind: 'blender', memoryMib: 1_024, vramMib: 0 },
    inputRoot: 'a'.repeat(64),
    inputBytes: 1_000_000,
    settings: {},
    tasks: Array.from({ length: tasks }, (_, frame) => ({ params: { frame }, ...planned })),
  }
  coordinator.execute(({ nowMs: atMs, record }) =>
    record([
      {
        type: 'work.job_submitted',
        jobId: 'job_1',
        organisationId: PAYER,
        name: 'scene',
        priority: 50,
        cap: null,
        pricePerHour: 100_000_000n,
        isIdempotent: true,
        isVerified: false,
        steps: [step],
        atMs,
      },
    ]),
  )
}
