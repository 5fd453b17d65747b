/** The part of the golden history that is about jobs: every type of their events, with the money that follows. */

import type { Turn } from '#coordinator/turn.ts'
import { createWorkDesk, type DeskRefusal } from '#coordinator/work/work-desk.ts'
import { assert } from '#kernel/assert.ts'
import { DAY_MS } from '#kernel/time.ts'
import type { NodeFacts } from '#work/floor.ts'
import type { JobPlan } from '#work/work-events.ts'
import { workLimits } from '#work/work-limits.ts'

type Step = (turn: Turn, nowMs: number) => void

const done = (refusal: DeskRefusal | null): void =>
  assert(refusal === null, `the golden history of jobs: ${refusal}`)

const hash = (letter: string): string => letter.repeat(64)
const outputs = [{ name: '0001.png', bytes: 12_345, sha256: hash('e') }]
const poison = {
  class: 'task',
  signature: 'crash',
  message: 'Blender ended with signal 11.',
  tail: 'BVH',
} as const

function planOf(jobId: string, part: Partial<JobPlan> = {}): JobPlan {
  const tasks = [1, 2, 3].map((frame) => ({ params: { frame }, referenceMs: 1_000, referenceMsP90: 1_300 }))
  const frames = {
    name: 'frames',
    digest: hash('d'),
    dependsOn: [],
    requirements: { kind: 'blender', memoryMib: 512, vramMib: 0 },
    inputRoot: hash('a'),
    inputBytes: 1_000,
    settings: { file: 'castle.blend', samples: 32, crop: [0, 0.5], denoise: null },
    tasks,
  }
  const film = { name: 'film', digest: hash('f'), inputRoot: '', dependsOn: [0], takesResults: true }
  const one = { params: { fps: 24 }, referenceMs: 500, referenceMsP90: 700 }
  return {
    jobId,
    organisationId: 'org_buyer',
    name: 'castle.blend',
    priority: 50,
    cap: 20_000n,
    pricePerHour: 3_600_000n,
    isIdempotent: true,
    isVerified: true,
    purpose: 'work',
    tier: 'priority',
    minClass: 'community',
    steps: [
      frames,
      { ...frames, ...film, requirements: { ...frames.requirements, kind: 'ffmpeg' }, tasks: [one] },
    ],
    ...part,
  }
}

const factsOf = (nodeId: string, nowMs: number): NodeFacts => ({
  nodeId,
  kinds: ['blender'],
  speed: 1.5,
  memoryMib: 4_096,
  vramMib: 0,
  bytesPerSecond: 1e7,
  askPerHour: 1n,
  upSinceMs: nowMs - DAY_MS,
})

/** Attempts, results, verdicts, payment and refund. */
export const render: Step = (turn, nowMs) => {
  const desk = createWorkDesk({ openedAtMs: nowMs - DAY_MS, feeBps: 500, send: () => {} })
  const about = { jobId: 'job_castle', nowMs }
  done(desk.carryOut(turn, { kind: 'submit', plan: planOf('job_castle'), nowMs }))
  done(desk.carryOut(turn, { kind: 'set_priority', ...about, priority: 80 }))
  done(desk.carryOut(turn, { kind: 'set_cap', ...about, cap: 30_000n }))
  done(desk.carryOut(turn, { kind: 'set_cap', ...about, cap: 10_000n }))
  for (const nodeId of ['node_1', 'node_2']) {
    desk.floor.seat(factsOf(nodeId, nowMs), new Set([hash('a')]), nowMs)
    desk.serve(turn, nodeId)
  }
  // Fences 1 and 2 are node_1's, 3 is node_2's, whose line is cut.
  desk.floor.cutOff('node_2')
  desk.review(turn)
  const of = (fence: number, nodeId: string) => ({ fence, nodeId, nowMs })
  for (const fence of [1, 2]) {
    done(desk.carryOut(turn, { kind: 'commit', ...of(fence, 'node_1'), outputs, wallMs: 900 }))
    done(desk.carryOut(turn, { kind: 'deliver', ...of(fence, 'node_1') }))
  }
  const judge = { kind: 'judge', ...about, step: 0 } as const
  const [first, second] = [0, 2]
  done(desk.carryOut(turn, { ...judge, task: first, isGood: true, isChecked: true }))
  done(desk.carryOut(turn, { ...judge, task: second, isGood: true, isChecked: false }))
  done(desk.carryOut(turn, { ...judge, task: second, isGood: false, isChecked: true }))
  done(desk.carryOut(turn, { kind: 'fail', ...of(3, 'node_2'), failure: poison }))
}

/** What people do about a job, and what another takes over of it. */
export const meddle: Step = (turn, nowMs) => {
  const desk = createWorkDesk({ openedAtMs: nowMs - DAY_MS, feeBps: 500, send: () => {} })
  const about = { jobId: 'job_castle', nowMs }
  done(desk.carryOut(turn, { kind: 'condemn', ...about, nodeId: 'node_2' }))
  done(desk.carryOut(turn, { kind: 'pause', ...about }))
  const [frames] = planOf('job_again').steps
  assert(frames, 'a plan has steps')
  const again = planOf('job_again', {
    steps: [{ ...frames, tasks: frames.tasks.slice(0, 1) }],
    tier: 'economy',
  })
  done(desk.carryOut(turn, { kind: 'submit', plan: again, nowMs }))
  const audits = { jobId: 'job_castle', step: 0, task: 0, fence: 1 }
  const crops = { ...frames, digest: hash('c'), notOfOrganisations: ['org_seller'] }
  const audit = planOf('job_audit', {
    purpose: 'audit',
    audits,
    cap: null,
    isVerified: false,
    steps: [crops],
  })
  done(desk.carryOut(turn, { kind: 'submit', plan: audit, nowMs }))
  done(desk.carryOut(turn, { kind: 'cancel', jobId: 'job_audit', nowMs }))
  desk.floor.seat(factsOf('node_3', nowMs), new Set(), nowMs)
  done(desk.carryOut(turn, { kind: 'resume', ...about }))
  desk.serve(turn, 'node_3')
  const [fence = 0] = turn.state.work.nodes.get('node_3')?.held ?? []
  done(desk.carryOut(turn, { kind: 'fail', fence, nodeId: 'node_3', failure: poison, nowMs }))
  done(desk.carryOut(turn, { kind: 'resume', ...about }))
  done(desk.carryOut(turn, { kind: 'cancel', ...about }))
}

/** They leave the memory. */
export const forgetJobs: Step = (turn, nowMs) => {
  // A job of four tasks in two parts.
  const limits = { ...workLimits, forgetTasksMax: 3 }
  const desk = createWorkDesk({ openedAtMs: nowMs, feeBps: 500, limits, send: () => {} })
  for (let reviews = 0; reviews < 4; reviews++) desk.review(turn)
  assert(turn.state.work.jobs.size === 0, 'all jobs of the golden history are forgotten')
}
