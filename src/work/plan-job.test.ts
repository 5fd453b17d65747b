import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { z } from 'zod'
import type { NewStep } from '#protocol/job.ts'
import { identifySteps, planOf, type QuotedWork } from './plan-job.ts'
import { JobPlan } from './work-events.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

test('a plan has what the quote says, and its own cap where one is given', () => {
  const { quote } = setup()
  const plan = planOf(quote, { jobId: 'job_1', priority: 70 })
  assert.deepEqual(z.decode(JobPlan, z.encode(JobPlan, plan)), plan)
  assert.deepEqual(
    [plan.cap, plan.priority, plan.tier, plan.minClass, plan.purpose, plan.isVerified],
    [900n, 70, 'trusted', 'vetted', 'work', true],
  )
  const [frames, video] = plan.steps
  assert.deepEqual(frames?.tasks, [
    { params: { do: 'frame', frame: 1 }, referenceMs: 100, referenceMsP90: 130 },
    { params: { do: 'frame', frame: 2 }, referenceMs: 200, referenceMsP90: 260 },
  ])
  assert.deepEqual(
    [frames?.requirements, frames?.inputBytes, frames?.takesResults],
    [{ kind: 'blender', memoryMib: 1_000, vramMib: 0 }, 5_000, undefined],
  )
  assert.deepEqual([video?.dependsOn, video?.takesResults, video?.inputRoot], [[0], true, ''])
  assert.equal(planOf(quote, { jobId: 'job_1', priority: 0, cap: 5n }).cap, 5n)
})

test('whatever a job is made of, its results wait for a look', () => {
  const { quote } = setup()
  const steps = quote.steps.map((step) => ({ ...step, kind: 'command' as const }))
  assert.equal(planOf({ ...quote, steps }, { jobId: 'job_1', priority: 0 }).isVerified, true)
})

test('a step is the same by what it does and what from, and not by its name or its tasks', () => {
  const digest = (part: Partial<NewStep>): string | undefined =>
    identifySteps([{ ...frames, ...part }], sha256)[0]?.digest
  const same = digest({})
  for (const part of [{ name: 'other' }, { tasks: [{ do: 'frame', frame: 9 }] }, { estimateMs: 5 }])
    assert.equal(digest(part), same, JSON.stringify(part))
  assert.equal(digest({ settings: { file: 'scene.blend', sceneHash: 'mine' } }), same)
  for (const part of [
    { kind: 'command' as const },
    { inputRoot: 'c'.repeat(64) },
    { settings: { file: 'scene.blend', samples: 4 } },
  ])
    assert.notEqual(digest(part), same, JSON.stringify(part))
})

test('a step that takes results is another where those are of another step', () => {
  const digestOfVideo = (samples: number): string | undefined =>
    identifySteps([{ ...frames, settings: { file: 'scene.blend', samples } }, video], sha256)[1]?.digest
  assert.notEqual(digestOfVideo(1), digestOfVideo(2))
})

test('pictures carry the hash of their scene, whatever the step says itself', () => {
  const [step] = identifySteps([{ ...frames, settings: { ...frames.settings, sceneHash: 'mine' } }], sha256)
  assert.match(String(step?.settings['sceneHash']), /^[0-9a-f]{32}$/)
  assert.equal(step?.settings['sceneHash'], step?.digest.slice(0, 32))
})

const frames: NewStep = {
  name: 'frames',
  kind: 'blender',
  dependsOn: [],
  takesResults: false,
  inputRoot: 'a'.repeat(64),
  inputBytes: 5_000,
  settings: { file: 'scene.blend' },
  requirements: { memoryMib: 1_000, vramMib: 0 },
  tasks: [
    { do: 'frame', frame: 1 },
    { do: 'frame', frame: 2 },
  ],
}
const video: NewStep = {
  name: 'video',
  kind: 'ffmpeg',
  dependsOn: ['frames'],
  takesResults: true,
  inputRoot: null,
  settings: { fps: 24 },
  requirements: { memoryMib: 0, vramMib: 0 },
  tasks: [{}],
}

function setup(): { quote: QuotedWork } {
  const steps = identifySteps([frames, video], sha256)
  const estimates = [
    { referenceMs: 100, referenceMsP90: 130 },
    { referenceMs: 200, referenceMsP90: 260 },
  ]
  return {
    quote: {
      organisationId: 'org_1',
      name: 'scene.blend',
      tier: 'trusted',
      isIdempotent: true,
      pricePerHour: 7n,
      cap: 900n,
      steps: steps.map((step) => ({ ...step, estimates })),
    },
  }
}
