/** Bugs planted in what decides about tasks, which the simulated render farm must find; and all planted bugs together. */
import type { FarmPlan } from '#sim/farm-plan.ts'
import { type Mutant, mutants, type PlantedBug } from './mutants.ts'
import { trustMutants } from './trust-mutants.ts'

/** One that a simulated farm finds: as the seed draws it, but for what is said here. */
export interface FarmMutant extends PlantedBug {
  readonly farm: Partial<FarmPlan>
}

export type AnyMutant = Mutant | FarmMutant

const farmMutants: readonly FarmMutant[] = [
  {
    name: 'take-a-strangers-word',
    file: 'work/decide-attempt.ts',
    edits: [
      [
        "if (!attempt || attempt.nodeId !== nodeId) return 'fence_stale'",
        "if (!attempt) return 'fence_stale'",
      ],
    ],
    breaks: 'what a node says counts for an attempt that is another node’s',
    farm: {},
    found: /, which .* had$/,
  },
  {
    name: 'commit-twice',
    file: 'work/decide-attempt.ts',
    edits: [['if (committedAtMs !== null) return', 'if (committedAtMs !== null && atMs < 0) return']],
    breaks: 'a commit that is said again counts again',
    farm: {},
    found: /is committed once/,
  },
  {
    name: 'pay-before-the-verdict',
    file: 'work/decide-attempt.ts',
    edits: [['return job.isVerified ? [delivered]', 'return job.isVerified && atMs < 0 ? [delivered]']],
    breaks: 'what nobody looked at is paid like what somebody did',
    farm: {},
    found: /was judged before it was accepted/,
  },
  {
    name: 'keep-the-beaten',
    file: 'work/decide-attempt.ts',
    edits: [['.filter((other) => other !== fence)', '.filter((other) => other < 0)']],
    breaks: 'a copy goes on after the other was first, and commits too',
    farm: {},
    found: /has one result|is accepted once/,
  },
  {
    name: 'pay-twice',
    file: 'work/evolve-task.ts',
    edits: [
      [
        "if (task.state !== 'done') finish(work, { job, step, task }, event)",
        'finish(work, { job, step, task }, event)',
      ],
    ],
    breaks: 'a result that is looked at after it was paid is paid again',
    farm: {},
    found: /owes \d+, and says|is counted|are counted|is complete/,
  },
  {
    name: 'keep-the-money-of-a-liar',
    file: 'work/evolve-task.ts',
    edits: [['  job.spent -= task.result?.charge ?? 0n\n', '']],
    breaks: 'a result that is found false after it was paid stays on the bill',
    farm: {},
    seeds: 40,
    found: /owes \d+, and says|its money is counted/,
  },
  {
    name: 'open-the-next-step-too-early',
    file: 'work/evolve-task.ts',
    edits: [
      ['  if (step.tasksOpen === 0)\n', '  if (step.tasksOpen <= 1)\n'],
      ['stepOf(job, before).tasksOpen === 0', 'stepOf(job, before).tasksOpen <= 1'],
    ],
    breaks: 'a video is made of frames of which one is missing',
    farm: {},
    found: /waits for the steps before/,
  },
  {
    name: 'forget-a-lease',
    file: 'work/review.ts',
    edits: [
      ["  if (nowMs >= floor.leaseEndMs(attempt)) return lost('lease_expired')\n", ''],
      [
        "if (isSilent) return { type: 'work.suspected'",
        "if (isSilent && nowMs < 0) return { type: 'work.suspected'",
      ],
      ['return stillMs >= patienceMs ?', 'return stillMs >= patienceMs && nowMs < 0 ?'],
    ],
    breaks: 'what a node had that is gone is never given to another',
    farm: { acts: [0, 1].map((node) => ({ atMs: 40_000, act: 'crash', node })) },
    found: /which is down, was given up|came to its end/,
  },
  {
    name: 'spend-beyond-the-cap',
    file: 'work/grant.ts',
    edits: [['job.spent + job.reserved + costMaxOf(job, task) <= job.cap', 'job.spent <= job.cap']],
    breaks: 'what runs already is forgotten when the cap is looked at',
    farm: {},
    found: /the bill stays within the cap/,
  },
  {
    name: 'race-without-a-limit',
    file: 'work/grant.ts',
    edits: [['(extraMs + task.referenceMs) * 10_000 <= job.totalMs * limits.extraBpsMax', 'extraMs > 0']],
    breaks: 'all that straggles is done twice, however much that is',
    farm: {},
    seeds: 40,
    found: /were done twice, of/,
  },
  {
    name: 'give-it-back-to-who-failed-it',
    file: 'work/grant.ts',
    edits: [['!failedNodes.includes(facts.nodeId)', '(failedNodes.length < 0 || facts.nodeId !== ``)']],
    breaks: 'a node that failed a task is given it again',
    farm: {},
    found: /failed .*, and is given it again/,
  },
]

export const allMutants: readonly AnyMutant[] = [...mutants, ...trustMutants, ...farmMutants]
