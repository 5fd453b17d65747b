/** From version 4 on: a node with an engine for tasks, and a coordinator that gives it two, one of which fails. */
import { TaskWorker } from '#agent/work/task-worker.ts'
import { failureProblem } from '#protocol/task-failure.ts'
import { type TaskGrant, type WorkOrder, WorkOrders, type WorkSay } from '#protocol/work-link.ts'
import type { TestMachine } from '#sim/test-world.ts'
import { NODE_ID } from './recording.ts'

/** Under which the gateway signs what lets a node at files. */
export const KEY_SECRET = 'of a recording'

const output = { name: 'made.txt', bytes: 4, sha256: 'cd'.repeat(32) }

export function recordedWorker({ host }: TestMachine): TaskWorker {
  const held = { root: '/inputs', retain: () => held, release: () => undefined }
  return new TaskWorker(
    {
      clock: host.clock,
      log: host.log,
      engines: [
        {
          kind: 'command',
          open: async () => ({
            async run({ params }) {
              if (params['fails'] === true)
                throw failureProblem('task', 'engine_failed', 'The program of the job ended with code 3.', {
                  tail: 'no such file',
                })
              return { files: [output], wallMs: 12, cpuMs: 10, peakBytes: 1, notes: {} }
            },
            close: async () => undefined,
          }),
        },
      ],
      inputs: { obtain: async () => held, cached: () => ['ef'.repeat(32)] },
      outputs: {
        ...{ kept: [], keep: async () => undefined, makeFolder: async () => '/out' },
        ...{ send: async () => undefined, drop: async () => undefined },
      },
      facts: () => ({
        ...{ kinds: ['command'], speed: 0.5, memoryMib: 2_048, vramMib: 0, bytesPerSecond: 1e6 },
        ...{ askPerHour: 5n, engines: { command: 'programs of jobs' } },
      }),
    },
    { sessionsMax: 1, memoryBytesMax: 2 ** 30, idleMs: 60_000 },
  )
}

const grant = (fence: number, params: TaskGrant['params']): WorkOrder => ({
  ...{ kind: 'grant', fence, jobId: 'job_recorded', organisationId: 'org', step: 0, task: fence },
  ...{ engine: 'command', settings: { program: 'make' }, params, inputRoot: 'ef'.repeat(32) },
  files: [{ path: 'before/a.txt', bytes: 1, sha256: 'aa'.repeat(32) }],
  estimateMs: 1_000,
})

/** What the coordinator tells the node for what it said. */
export function recordedAnswers(say: WorkSay): WorkOrder[] {
  if (say.kind === 'hello') return [grant(1, { part: 1 }), grant(2, { fails: true })]
  if (say.kind === 'beat') return []
  const answer: WorkOrder = { kind: 'answer', to: say.kind, fence: say.fence, refusal: null }
  if (say.kind === 'fail') return [answer, { kind: 'who' }]
  return say.kind === 'deliver' ? [answer, { kind: 'cancel', fence: 9 }] : [answer]
}

/** As it comes to the gateway. */
export const ordersText = (...orders: readonly WorkOrder[]): string =>
  JSON.stringify(WorkOrders.encode({ orders: orders.map((order) => ({ nodeId: NODE_ID, order })) }))
