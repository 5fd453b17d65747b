/** Jobs on the API: what is asked for, what it will likely cost, and how far it is. */
import { z } from 'zod'
import { Id, Line, Name, TimestampMs } from './field.ts'
import { NanoUsd, PositiveNanoUsd } from './money.ts'
import { pageOf } from './page.ts'
import { OutputFile, StepSettings, TaskHash, TaskKind, TaskParams } from './task.ts'

export const TASKS_MAX = 100_000
export const STEPS_MAX = 20

export const Tier = z.enum(['trusted', 'priority', 'economy']).meta({
  id: 'Tier',
  description:
    '`trusted`: vetted nodes alone, first in line, dearest. `priority`: any node. `economy`: last in line, cheapest.',
})
export type Tier = z.output<typeof Tier>

/** A step as it is asked for. */
export const NewStep = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}$/, 'expected 1 to 64 letters, digits, blanks, . _ or -'),
    kind: TaskKind,
    dependsOn: z.array(z.string().max(64)).max(STEPS_MAX).default([]).describe('Names of earlier steps.'),
    takesResults: z
      .boolean()
      .default(false)
      .describe('Its tasks find what those steps made among their inputs, as `<step>/<file>`.'),
    inputRoot: TaskHash.nullable().default(null).describe('Tree of its inputs, uploaded before.'),
    settings: StepSettings.default({}),
    requirements: z
      .strictObject({
        memoryMib: z.int().min(0).max(10_000_000).default(0),
        vramMib: z.int().min(0).max(10_000_000).default(0),
      })
      .default({ memoryMib: 0, vramMib: 0 }),
    tasks: z.array(TaskParams).min(1).max(TASKS_MAX),
    estimateMs: z
      .int()
      .positive()
      .max(7 * 24 * 3_600_000)
      .optional()
      .describe('A task on a node of speed 1, for kinds that are not probed.'),
    inputBytes: z
      .int()
      .min(0)
      .max(Number.MAX_SAFE_INTEGER)
      .optional()
      .describe('Of all files of its inputs together: how long nodes fetch them is estimated by it.'),
  })
  .meta({ id: 'NewStep' })
export type NewStep = z.output<typeof NewStep>

export const AskQuote = z
  .strictObject({
    name: Name,
    tier: Tier.default('priority'),
    isIdempotent: z
      .boolean()
      .default(true)
      .describe('Running a task twice does no harm, so stragglers may be raced.'),
    steps: z.array(NewStep).min(1).max(STEPS_MAX),
  })
  .meta({ id: 'AskQuote' })
export type AskQuote = z.output<typeof AskQuote>

export const QuotePreview = z
  .object({ step: z.int(), params: TaskParams, file: OutputFile.nullable() })
  .meta({
    id: 'QuotePreview',
    description: 'A small picture of one task; `file` is there once it is rendered.',
  })

/** Low, middle and high: one case in ten is below the first, one in ten above the last. */
const Range = z.object({ p10: z.number(), p50: z.number(), p90: z.number() })
const MoneyRange = z.object({ p10: NanoUsd, p50: NanoUsd, p90: NanoUsd })

const QuoteMachine = z.object({
  speed: z.number().describe('Where the reference node has 1.'),
  gpu: z.string().nullable().describe('`null` where it has none.'),
  renderScore: z
    .number()
    .nullable()
    .describe(
      'The weight that Render Network published for this GPU (RNP-019); `null` where it published none.',
    ),
})

export const Quote = z
  .object({
    quoteId: Id,
    name: z.string(),
    tier: Tier,
    status: z.enum(['measuring', 'ready', 'failed']),
    reason: z.string().nullable().describe('Why it failed, or what it waits for.'),
    tasks: z.int(),
    previews: z.array(QuotePreview),
    referenceSeconds: Range.nullable().describe('Of all tasks together, on a node of speed 1.'),
    wallSeconds: Range.nullable().describe('On the nodes that would take it now.'),
    nodes: z.int().describe('Nodes that would take it now.'),
    price: MoneyRange.nullable(),
    cap: NanoUsd.nullable().describe('What it is capped at unless the job says otherwise.'),
    pricePerHour: NanoUsd.describe('For an hour of a node of speed 1.'),
    expiresAtMs: TimestampMs,
    machines: z
      .array(QuoteMachine)
      .optional()
      .describe('Of those nodes the first hundred, the fastest first; absent from older networks.'),
    unchecked: z
      .int()
      .nonnegative()
      .optional()
      .describe(
        'How many of those nodes nobody of another owner could check now: what they render counts as unverified. Absent from older networks.',
      ),
  })
  .meta({ id: 'Quote' })
export type Quote = z.output<typeof Quote>

export const NewJob = z
  .strictObject({
    quoteId: Id,
    cap: PositiveNanoUsd.optional().describe(
      'Never billed more; held until the job ends. The quote’s own unless given.',
    ),
    priority: z.int().min(0).max(100).default(50),
  })
  .meta({ id: 'NewJob' })
export type NewJob = z.output<typeof NewJob>

export const JobStatus = z.enum(['active', 'paused', 'completed', 'cancelled'])
/** `open`: active and paused ones. */
export const JobFilter = z.enum([...JobStatus.options, 'open'])

export const JobStep = z
  .object({
    name: z.string(),
    kind: TaskKind,
    dependsOn: z.array(z.string()),
    tasks: z.int(),
    ready: z.int(),
    blocked: z.int(),
    running: z.int(),
    verifying: z.int(),
    done: z.int(),
    failed: z.int(),
    cancelled: z.int(),
    checked: z.int().describe('Of those done, whose very result somebody rendered again in part.'),
  })
  .meta({ id: 'JobStep' })
export type JobStep = z.output<typeof JobStep>

export const Job = z
  .object({
    jobId: Id,
    organisationId: Id,
    name: z.string(),
    tier: Tier,
    status: JobStatus,
    pause: z
      .object({
        reason: z.enum(['asked', 'same_error', 'no_node_left', 'cap_reached']),
        detail: z.string(),
        atMs: TimestampMs,
      })
      .nullable(),
    priority: z.int(),
    cap: NanoUsd,
    spent: NanoUsd.describe('Owed for what is done.'),
    reserved: NanoUsd.describe('Set aside for what is under way.'),
    held: NanoUsd.describe('Of the balance, until the job ends.'),
    pricePerHour: NanoUsd,
    submittedAtMs: TimestampMs,
    endedAtMs: TimestampMs.nullable(),
    etaMs: z
      .number()
      .nullable()
      .describe('Until it ends, on the nodes that work on it; `null` when nobody does.'),
    progress: z
      .number()
      .min(0)
      .max(1)
      .describe('Of its work, by the estimates; what runs counts as far as it is.'),
    nodes: z.int().describe('That work on it now.'),
    redispatched: z.int().describe('Attempts that were given again or raced.'),
    unverified: z
      .int()
      .describe('Tasks done whose turn to be checked came and nobody independent was there.'),
    efficiency: z
      .number()
      .nullable()
      .describe(
        'Of the time of its nodes, since each got its first task, the part that was spent in tasks that counted.',
      ),
    steps: z.array(JobStep),
    lastOutput: OutputFile.nullable(),
  })
  .meta({ id: 'Job' })
export type Job = z.output<typeof Job>
export const JobPage = z.object(pageOf(Job)).meta({ id: 'JobPage' })

export const TaskState = z.enum([
  'blocked',
  'ready',
  'leased',
  'committed',
  'verifying',
  'done',
  'failed',
  'cancelled',
])
export const JobTask = z
  .object({
    step: z.int(),
    task: z.int(),
    params: TaskParams,
    state: TaskState,
    attempts: z.array(
      z.object({
        fence: z.int(),
        nodeId: Id,
        startedAtMs: TimestampMs.nullable(),
        fraction: z.number(),
        isCopy: z.boolean(),
      }),
    ),
    outputs: z.array(OutputFile),
    nodeId: Id.nullable().describe('Who made the result.'),
    referenceSeconds: z.number().nullable(),
    charge: NanoUsd.nullable(),
    isChecked: z.boolean(),
    failedNodes: z.array(Id),
  })
  .meta({ id: 'JobTask' })
export type JobTask = z.output<typeof JobTask>
export const JobTaskPage = z.object(pageOf(JobTask)).meta({ id: 'JobTaskPage' })

export const TaskWhy = z
  .object({
    state: TaskState,
    sentence: z.string().describe('For people.'),
    job: z.enum(['paused', 'over', 'cap_reached']).nullable(),
    barred: z
      .record(z.string(), z.int())
      .describe('Nodes that may not have it, by the first reason of each.'),
    open: z.int(),
    busy: z.int(),
    nodeIds: z.array(Id),
  })
  .meta({ id: 'TaskWhy' })
export type TaskWhy = z.output<typeof TaskWhy>

/** What happened to a job, oldest first. `sequence` grows without gaps for a job as long as its coordinator leads. */
export const JobNews = z
  .object({
    sequence: z.int(),
    atMs: TimestampMs,
    kind: z.string().describe('`granted`, `committed`, `done`, `failed`, `lost`, `paused`, `audit`, …'),
    step: z.int().nullable(),
    task: z.int().nullable(),
    nodeId: Id.nullable(),
    text: z.string().describe('For people: a sentence, with the end of the log where something failed.'),
  })
  .meta({ id: 'JobNews' })
export type JobNews = z.output<typeof JobNews>
export const JobNewsPage = z
  .object({ items: z.array(JobNews), next: z.int().describe('Give it as `after` to go on.') })
  .meta({ id: 'JobNewsPage' })
export type JobNewsPage = z.output<typeof JobNewsPage>

export const RequeueTasks = z
  .strictObject({
    tasks: z
      .array(z.strictObject({ step: z.int().min(0), task: z.int().min(0) }))
      .max(TASKS_MAX)
      .optional()
      .describe('All that failed unless given.'),
  })
  .meta({ id: 'RequeueTasks' })
export const SetCap = z.strictObject({ cap: PositiveNanoUsd }).meta({ id: 'SetCap' })
export const SetPriority = z.strictObject({ priority: z.int().min(0).max(100) }).meta({ id: 'SetPriority' })
export const RejectTask = z.strictObject({ reason: Line.min(1) }).meta({ id: 'RejectTask' })
