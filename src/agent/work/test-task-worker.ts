/** For tests: a worker on a virtual clock, whose engine takes a second and whose network is what the test says. */
import type { TaskOutput } from '#engines/task-engine.ts'
import { Problem } from '#protocol/problem.ts'
import type { TaskGrant, WorkSay } from '#protocol/work-link.ts'
import { createTestWorld } from '#sim/test-world.ts'
import { TaskWorker } from './task-worker.ts'
import type { KeptResult, TransferWatch } from './work-ports.ts'

export interface Options {
  readonly work?: () => Promise<TaskOutput>
  readonly workMs?: number
  readonly send?: () => Promise<void>
  readonly kept?: readonly KeptResult[]
}

export function setupWorker({ work, workMs = 1_000, send = async () => undefined, kept = [] }: Options = {}) {
  const world = createTestWorld()
  const { host } = world.machine('node')
  const said: WorkSay[] = []
  const [obtained, began, aborted] = [[] as number[], [] as number[], [] as number[]]
  const [sent, dropped, sessions] = [[] as string[], [] as string[], [] as string[]]
  const records: string[] = []
  const worker = new TaskWorker(
    {
      clock: host.clock,
      log: host.log,
      engines: [
        {
          kind: 'command',
          open: async ({ root }) => {
            sessions.push(`open ${root}`)
            return {
              run({ params }, onProgress, signal) {
                const fence = Number(params['fence'])
                began.push(fence)
                if (work) return work()
                return new Promise((resolve, reject) => {
                  const files = [{ name: 'a', bytes: 1, sha256: 'ab'.repeat(32) }]
                  host.clock.after(workMs / 2, () => onProgress(0.5))
                  host.clock.after(workMs, () =>
                    resolve({ files, wallMs: workMs, cpuMs: workMs, peakBytes: 0, notes: {} }),
                  )
                  signal.addEventListener('abort', () => {
                    aborted.push(fence)
                    reject(new Problem('cancelled', 'It was cancelled.'))
                  })
                })
              },
              close: async () => void sessions.push(`close ${root}`),
            }
          },
        },
      ],
      inputs: {
        async obtain({ fence, inputRoot }) {
          obtained.push(fence)
          const held = { root: inputRoot?.[0] ?? '', retain: () => held, release: () => undefined }
          return held
        },
        cached: () => [],
      },
      outputs: {
        kept,
        keep: async ({ folder }) => void records.push(folder),
        makeFolder: async (fence) => `/out/${fence}`,
        async send({ folder }: { folder: string }, _watch: TransferWatch) {
          await send()
          sent.push(folder)
        },
        drop: async (folder) => void dropped.push(folder),
      },
      facts: () => ({
        ...{ kinds: ['command'], speed: 1, memoryMib: 1, vramMib: 0, bytesPerSecond: 1 },
        ...{ askPerHour: 0n, engines: {} },
      }),
    },
    { sessionsMax: 1, memoryBytesMax: 2 ** 30, idleMs: 60_000 },
  )
  return {
    worker,
    said,
    obtained,
    began,
    aborted,
    sent,
    dropped,
    records,
    sessions,
    run: world.run,
    connect: () => worker.connected((say) => void said.push(say)),
    give: (fence: number, more: Partial<TaskGrant> = {}) =>
      worker.receive({ ...grant, fence, params: { fence }, ...more }),
    answer: (to: 'commit' | 'deliver' | 'fail', fence: number, refusal: string | null = null) =>
      worker.receive({ kind: 'answer', to, fence, refusal }),
    /** What was said of attempts, without signs of life. */
    told: () => said.flatMap((say) => ('fence' in say ? [`${say.kind} ${say.fence}`] : [])),
  }
}

export const grant: TaskGrant = {
  ...{ kind: 'grant', fence: 0, jobId: 'job_1', organisationId: 'org', step: 0, task: 0 },
  ...{ engine: 'command', settings: {}, params: {}, inputRoot: null, files: [], estimateMs: 1_000 },
}
