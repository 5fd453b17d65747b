/**
 * How many tasks a second one core gives out to 1,000 nodes: the job engine as it is, each grant with the commit and the
 * delivery before it, the nodes' signs of life, a review of all that runs four times a (virtual) second and each event written
 * as the journal has it, but without a disk and a network. `--nodes N` (1000), `--jobs N` (20), `--grants N` (40000).
 */
import { parseArgs } from 'node:util'
import { jsonWriter } from '#protocol/wire-form.ts'
import { checkWork } from '#work/check-work.ts'
import { carryOut, type Desk, reviewWork, serveNode } from '#work/desk.ts'
import { evolveWork } from '#work/evolve-work.ts'
import { Floor } from '#work/floor.ts'
import { emptyWork } from '#work/work.ts'
import { type JobPlan, WorkEvent } from '#work/work-events.ts'
import { workLimits } from '#work/work-limits.ts'
import { print, whole } from './parts/machine.ts'

const AIM = 2_000
const FRAME_MS = 1_000

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    nodes: { type: 'string', default: '1000' },
    jobs: { type: 'string', default: '20' },
    grants: { type: 'string', default: '40000' },
  },
})
const [nodes, jobs, grants] = [Number(values.nodes), Number(values.jobs), Number(values.grants)]
const write = jsonWriter(WorkEvent)

interface Tally {
  events: number
  bytes: number
}

const tally: Tally = { events: 0, bytes: 0 }
const desk = openDesk(tally)
for (let job = 0; job < jobs; job++) {
  const tasks = Math.ceil((grants * 1.2 + 2 * nodes) / jobs)
  carryOut(desk, { kind: 'submit', plan: planOf(job, tasks), nowMs: 0 })
}
const burst = timed(() => {
  for (let node = 0; node < nodes; node++) serveNode(desk, nameOf(node), 0)
})
const first = desk.work.fence
const latencies: number[] = []
const steady = timed(workOff)
checkWork(desk.work)

const given = desk.work.fence - first
const perSecond = (given * 1_000) / steady.cpuMs
const isMet = perSecond >= AIM
latencies.sort((a, b) => a - b)
const p99Ms = latencies[Math.floor(latencies.length * 0.99)] ?? 0
const result = {
  bench: 'grants',
  nodes,
  jobs,
  grants: given,
  perSecond: Math.round(perSecond),
  aim: AIM,
  isMet,
  turnMsP99: p99Ms,
  burstPerSecond: Math.round((first * 1_000) / burst.cpuMs),
  eventsPerGrant: tally.events / desk.work.fence,
  bytesPerGrant: Math.round(tally.bytes / desk.work.fence),
}
print(values.json, result, () => [
  `${whole(nodes)} nodes, ${jobs} jobs of ${whole(Math.ceil((grants * 1.2 + 2 * nodes) / jobs))} tasks:`,
  '',
  `grants per CPU-second, each with the commit and the delivery before it: ${whole(perSecond)} (aim: ${whole(AIM)}; OpenCue reports 975 frames/s booked, with its database)`,
  `a turn of commit, delivery and the next grant: ${p99Ms.toFixed(2)} ms at the 99th percentile`,
  `all nodes at once with nothing to do, two tasks each: ${whole(result.burstPerSecond)} grants per CPU-second`,
  `${result.eventsPerGrant.toFixed(1)} events and ${whole(result.bytesPerGrant)} bytes of journal a grant`,
  '',
  `To be held: at least ${whole(AIM)}: ${isMet ? 'held' : 'NOT held'}.`,
])
if (!isMet) process.exitCode = 1

/** Each node is done with a frame once a virtual second, one after the other. */
function workOff(): void {
  const { work, floor } = desk
  for (let turn = 0; turn < grants; turn++) {
    const nowMs = FRAME_MS + Math.floor((turn * FRAME_MS) / nodes)
    const nodeId = nameOf(turn % nodes)
    const startedMs = performance.now()
    const held = work.nodes.get(nodeId)?.held ?? []
    floor.hear(
      nodeId,
      held.map((fence) => ({ fence, fraction: 0.5 })),
      nowMs,
    )
    const [fence] = held
    if (fence !== undefined) {
      const outputs = [{ name: `${fence}.png`, bytes: 1_000_000, sha256: 'a'.repeat(64) }]
      carryOut(desk, { kind: 'commit', fence, nodeId, outputs, wallMs: FRAME_MS, nowMs })
      carryOut(desk, { kind: 'deliver', fence, nodeId, nowMs })
    }
    serveNode(desk, nodeId, nowMs)
    latencies.push(performance.now() - startedMs)
    if (turn % Math.ceil(nodes / 4) === 0) reviewWork(desk, nowMs)
  }
}

function openDesk(counted: Tally): Desk {
  const work = emptyWork()
  const floor = new Floor(0, workLimits)
  for (let node = 0; node < nodes; node++) {
    const cached = new Set([`root-${node % jobs}`])
    const facts = {
      nodeId: nameOf(node),
      kinds: ['blender'],
      speed: 0.5 + (node % 16) / 8,
      memoryMib: 16_384,
    }
    floor.seat(
      {
        ...facts,
        vramMib: 0,
        bytesPerSecond: 10_000_000,
        askPerHour: 1n,
        upSinceMs: -3_600_000 * (node % 48),
      },
      cached,
      0,
    )
  }
  const apply = (event: WorkEvent): void => {
    evolveWork(work, event)
    counted.events++
    counted.bytes += write(event).length
  }
  return { work, floor, limits: workLimits, apply }
}

function nameOf(node: number): string {
  return `node_${String(node).padStart(6, '0')}`
}

function planOf(job: number, tasks: number): JobPlan {
  return {
    jobId: `job_${job}`,
    organisationId: `organisation_${job % 7}`,
    name: `scene ${job}`,
    priority: 50,
    cap: 1_000_000_000_000n,
    pricePerHour: 400_000_000n,
    isIdempotent: true,
    isVerified: false,
    steps: [
      {
        name: 'render',
        digest: `render-${job}`,
        dependsOn: [],
        requirements: { kind: 'blender', memoryMib: 2_048, vramMib: 0 },
        inputRoot: `root-${job}`,
        inputBytes: 100_000_000,
        settings: {},
        tasks: Array.from({ length: tasks }, (_, place) => ({
          params: { frame: place + 1 },
          referenceMs: FRAME_MS,
          referenceMsP90: 1_300,
        })),
      },
    ],
  }
}

function timed(run: () => void): { readonly cpuMs: number } {
  const before = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(before)
  return { cpuMs: (user + system) / 1_000 }
}
