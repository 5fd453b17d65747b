/** A network with two workers of one thread each, and what it tells of a job while that goes on. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { z } from 'zod'
import { assert } from '#kernel/assert.ts'
import type { Job, JobNews, JobTask } from '#protocol/job.ts'
import { groupMembers, type Program } from '../../test/e2e/process-group.ts'
import { type Network, openRig, type Rig, startNetwork } from '../../test/e2e/rig.ts'

export type JobFacts = z.output<typeof Job>
export type TaskFacts = z.output<typeof JobTask>
export type News = z.output<typeof JobNews>

export interface Farm {
  readonly rig: Rig
  readonly network: Network
  /** The worker that is not the network's own. */
  readonly second: Program
  close(): Promise<void>
}

const START_MS_MAX = 90_000
const POLL_MS = 1_000
/** Where something is to be done at half. */
const CLOSE_POLL_MS = 200
const WORKERS = 2
const RENDERS = ['--render-threads', '1']

/** `hasAuditor`: whether the network's own reference node renders parts again. */
export async function startFarm({ hasAuditor }: { readonly hasAuditor: boolean }): Promise<Farm> {
  const rig = openRig()
  const more = hasAuditor ? [] : ['--no-reference-agent']
  const network = await startNetwork(rig, rig.path('network'), [
    '--model',
    rig.tinyPath(),
    ...RENDERS,
    ...more,
  ])
  const { token } = await network.operator.createEnrolmentToken({ body: { expiresInMs: 600_000 } })
  const second = rig.start([
    ...['provide', '--data', rig.path('second'), '--name', 'second', '--join', network.ready.apiUrl],
    ...['--token', token, '--model', rig.tinyPath(), ...RENDERS],
  ])
  const farm = { rig, network, second, close: () => rig.dispose() }
  try {
    await awaitWorkers(farm, hasAuditor ? WORKERS + 1 : WORKERS)
    return farm
  } catch (error) {
    await rig.dispose()
    throw error
  }
}

/** Each has measured its speed, and says so. */
async function awaitWorkers({ network, second }: Farm, count: number): Promise<void> {
  const limitMs = performance.now() + START_MS_MAX
  const told = (): number => {
    const text = network.program.output() + second.output()
    return text.split('takes tasks for').length - 1
  }
  while (told() < Math.min(count, WORKERS)) {
    assert(
      !network.program.isOver() && !second.isOver(),
      `it ended: ${second.output()}${network.program.output()}`,
    )
    assert(performance.now() < limitMs, `no workers: ${second.output()}${network.program.output()}`)
    await sleep(100)
  }
}

export interface Submission {
  readonly jobId: string
  readonly stderr: string
  readonly submitMs: number
}

/** `shoal render` without staying. */
export async function submit(farm: Farm, scene: string, frames: string): Promise<Submission> {
  const startedAt = performance.now()
  const { network, rig } = farm
  const options = ['--frames', frames, '--budget', '5', '--yes', '--out', rig.path('frames')]
  const end = await rig.run(['--json', 'render', scene, ...options, ...network.options])
  assert(end.code === 0, `shoal render ended with ${end.code}: ${end.stderr}`)
  const { jobId } = JSON.parse(end.stdout) as { jobId: string }
  return { jobId, stderr: end.stderr, submitMs: performance.now() - startedAt }
}

/** `null` while the network is away. */
export const readJob = (farm: Farm, jobId: string): Promise<JobFacts | null> =>
  farm.network.member.getJob({ params: { jobId } }).catch(() => null)

/** Until every task is done, or delivered where `isJudged` asks for no verdict: without an auditor that takes a minute more. */
export async function awaitEnd(
  farm: Farm,
  jobId: string,
  { isJudged, onJob }: { readonly isJudged: boolean; onJob?(job: JobFacts): Promise<void> | void },
): Promise<JobFacts> {
  for (;;) {
    const job = await readJob(farm, jobId)
    if (job !== null) {
      await onJob?.(job)
      if (job.status === 'completed' || (!isJudged && isDelivered(job))) return job
      assert(job.status === 'active', `the job is ${job.status}: ${JSON.stringify(job.pause)}`)
    }
    // Each look costs the network what it could do meanwhile.
    await sleep(onJob === undefined ? POLL_MS : CLOSE_POLL_MS)
  }
}

const isDelivered = ({ steps }: JobFacts): boolean =>
  steps.every(({ tasks, verifying, done }) => verifying + done === tasks)

/** From its beginning until the last of its files was there. */
export async function deliveredMs(farm: Farm, { jobId, submittedAtMs }: JobFacts): Promise<number> {
  const last = (await newsOf(farm, jobId)).findLast(({ kind }) => kind === 'delivered')
  assert(last, 'the job tells what was delivered')
  return last.atMs - submittedAtMs
}

export async function tasksOf(farm: Farm, jobId: string): Promise<readonly TaskFacts[]> {
  const tasks: TaskFacts[] = []
  for (let before: string | null | undefined; before !== null; ) {
    const query = { limit: 1_000, ...(before !== undefined && { before }) }
    const page = await farm.network.member.listJobTasks({ params: { jobId }, query })
    tasks.push(...page.items)
    before = page.next
  }
  return tasks
}

export async function newsOf(farm: Farm, jobId: string): Promise<readonly News[]> {
  const items: News[] = []
  for (let after = 0; ; ) {
    const page = await farm.network.member.followJob({ params: { jobId }, query: { after, waitMs: 0 } })
    items.push(...page.items)
    if (page.items.length === 0) return items
    after = page.next
  }
}

export interface Made {
  readonly worker: string
  readonly task: number
  readonly startedAtMs: number
  readonly tookMs: number
  readonly wallMs: number
  readonly cpuMs: number
}

/** What the workers noted of each task of the job, in the order in which each made them. */
export function madeBy(farm: Farm, jobId: string): readonly Made[] {
  const logs = {
    own: join(farm.network.folder, 'agent/agent.log'),
    second: farm.rig.path('second/provider/agent.log'),
  }
  return Object.entries(logs).flatMap(([worker, path]) => {
    if (!existsSync(path)) return []
    const lines = readFileSync(path, 'utf8').split('\n')
    return lines.flatMap((line) => {
      if (!line.includes('task.made') || !line.includes(jobId)) return []
      return [{ worker, ...(JSON.parse(line) as Omit<Made, 'worker'>) }]
    })
  })
}

/** Of each task but a worker's first: all of its time between the end of the one before and its own end that was no rendering. */
export function deadTimes(made: readonly Made[]): number[] {
  const byWorker = Map.groupBy(made, ({ worker }) => worker)
  return [...byWorker.values()].flatMap((tasks) =>
    tasks.slice(1).flatMap((task, at) => {
      const before = tasks[at]
      if (before === undefined) return []
      return [task.startedAtMs + task.tookMs - (before.startedAtMs + before.tookMs) - task.wallMs]
    }),
  )
}

/** The process that decides: `kill -9` of it leaves the supervisor to start the next. */
export function coordinatorPid({ network }: Farm): number {
  const own = groupMembers(network.program.pid).find(({ title }) => title === 'shoal coordinator')
  assert(own, 'the network has a coordinator')
  return own.pid
}

const TICK_MS = 10

export interface CpuTimes {
  /** Of the farm without its Blenders, whose sandboxes have another home: by what the processes call themselves. */
  readonly own: Readonly<Record<string, number>>
  /** Of the whole machine. */
  readonly allMs: number
}

/** Processor time so far, in milliseconds. */
export function cpuNow({ rig }: Farm): CpuTimes {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0] = (
    readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? ''
  )
    .split(/\s+/)
    .map(Number)
  const own: Record<string, number> = {}
  for (const { pid, title } of rig.processes()) {
    const name = title.startsWith('shoal')
      ? title
      : (title.split(' ').find((word) => !/[/]|^-/.test(word)) ?? title)
    own[name] = (own[name] ?? 0) + cpuMsOf(pid)
  }
  return { own, allMs: (user + nice + system + irq + softIrq) * TICK_MS }
}

function cpuMsOf(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS
  } catch {
    return 0
  }
}
