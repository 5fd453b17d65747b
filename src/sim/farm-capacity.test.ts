import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WorkEvent } from '#work/work-events.ts'
import { calm, type FarmPlan, planFarm } from './farm-plan.ts'
import { runFarm } from './farm-run.ts'

const FRAMES = 96
const FRAME_MS = 1_000
const STARTED_MS = 2_000
const IDEAL_MS = (FRAMES * FRAME_MS) / 2

test('two nodes without faults lose less than 4 % of their time', async () => {
  const { wallMs, tally } = await setup({})
  assert.ok(wallMs <= IDEAL_MS / 0.96, `${wallMs} ms, ideally ${IDEAL_MS}`)
  assert.equal(tally.grants - tally.moves - tally.copies, FRAMES, JSON.stringify(tally))
})

test('one of two nodes that dies at half time costs its part, and 5 % more at most', async () => {
  const atMs = STARTED_MS + IDEAL_MS / 2
  const { wallMs, events } = await setup({ acts: [{ atMs, act: 'crash', node: 1 }] })
  const idealMs = IDEAL_MS / 2 + IDEAL_MS
  assert.ok(wallMs <= 1.05 * idealMs, `${wallMs} ms, ideally ${idealMs}`)
  const copy = events.find((event) => event.type === 'work.granted' && event.isCopy)
  assert.ok(copy?.type === 'work.granted' && copy.atMs - atMs <= 2_000, 'its frame is given on within 2 s')
  const done = events.filter(({ type }) => type === 'work.accepted')
  assert.equal(done.length, FRAMES)
})

test('what a frozen node had is given on within five seconds', async () => {
  const atMs = STARTED_MS + IDEAL_MS / 2
  const { events } = await setup({ acts: [{ atMs, act: 'freeze', node: 1 }] })
  const copy = events.find((event) => event.type === 'work.granted' && event.isCopy)
  assert.ok(copy?.type === 'work.granted', 'a copy is given')
  assert.ok(copy.atMs - atMs <= 5_000, `given after ${copy.atMs - atMs} ms`)
})

test('a coordinator that is killed in the middle loses no frame, and the farm hardly any time', async () => {
  const acts = [{ atMs: STARTED_MS + IDEAL_MS / 2, act: 'kill', node: 0 } as const]
  const { wallMs, tally } = await setup({ acts })
  assert.ok(wallMs <= IDEAL_MS / 0.96 + 3_000, `${wallMs} ms, ideally ${IDEAL_MS}`)
  assert.ok(tally.lost <= 1 && tally.copies === 0, JSON.stringify(tally))
})

/** Two equal nodes, 96 frames of a second, and nothing that goes wrong but what is asked for. */
async function setup(part: Partial<FarmPlan>) {
  const plan = planFarm(1)
  const [job] = plan.jobs
  assert.ok(job)
  const [step] = job.plan.steps
  assert.ok(step)
  const tasks = Array.from({ length: FRAMES }, (_, place) => ({
    params: { frame: place + 1 },
    referenceMs: FRAME_MS,
    referenceMsP90: 1_300,
  }))
  const node = { manner: 'honest', speed: 1, trueSpeed: 1, memoryMib: 32_768 } as const
  const events: WorkEvent[] = []
  const run = await runFarm(
    1,
    {
      faultsMs: 0,
      nodes: ['node-00', 'node-01'].map((nodeId) => ({ nodeId, ...node })),
      jobs: [
        {
          atMs: STARTED_MS,
          pace: 1,
          poisoned: new Set(),
          plan: {
            ...job.plan,
            cap: null,
            isIdempotent: true,
            isVerified: false,
            steps: [{ ...step, tasks }],
          },
        },
      ],
      ...calm,
      ...part,
    },
    (event) => void events.push(event),
  )
  return { ...run, events, wallMs: run.simulatedMs - STARTED_MS }
}
