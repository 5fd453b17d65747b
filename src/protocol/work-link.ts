/**
 * What a node and the coordinator say to each other about tasks, through the node's gateway. The node says who it is
 * (`hello`) when it is asked or connects, `beat`s once a second, and tells what became of an attempt until that is
 * answered: a repeat changes nothing. Orders may be lost; a beat that does not mention an attempt brings it back.
 */
import { z } from 'zod'
import { NanoUsd } from './money.ts'
import { OutputFile, StepSettings, TaskHash, TaskKind, TaskParams } from './task.ts'
import { TaskFailure } from './task-failure.ts'

/** Between two beats of a node. */
export const WORK_BEAT_MS = 1_000
/** What was not answered is said again after this. */
export const WORK_RESEND_MS = 1_500
/** Attempts that a node may hold: running, next, and results on their way. */
export const WORK_HELD_MAX = 16
/** Files of other steps that one task may take. */
export const TASK_FILES_MAX = 10_000
/** Of all those together, as a grant names them: it goes to its node in one frame. */
export const TASK_FILES_BYTES_MAX = 6 * 1024 * 1024
/** Of a step's settings, and of one task's params, as JSON; with the files they make the grant. */
export const SETTINGS_BYTES_MAX = 512 * 1024
export const PARAMS_BYTES_MAX = 256 * 1024
/** Files that one attempt may make. */
export const TASK_OUTPUTS_MAX = 1_000

const Fence = z.int().positive()

/** A node's own account of what it can do. */
export const WorkerFacts = z.object({
  kinds: z.array(TaskKind).max(8),
  /** Tasks per time, where the reference node has 1: measured on the node, by rendering on its device. */
  speed: z.number().positive().max(1e6),
  /** The same of its processor, which does all but render, where `speed` is that of a GPU. */
  cpuSpeed: z.number().positive().max(1e6).optional(),
  /** What it renders on, and nothing else: `CPU`, `CUDA`, …. Nodes of before do not say it. */
  device: z.string().max(20).optional(),
  memoryMib: z.int().nonnegative(),
  /** 0 where it computes without a GPU. */
  vramMib: z.int().nonnegative(),
  /** Of its connection, as far as it was seen. */
  bytesPerSecond: z.number().positive().max(1e12),
  /** For an hour of the whole machine: it takes nothing that pays less. */
  askPerHour: NanoUsd.refine((ask) => ask >= 0n, 'expected an amount of zero or more'),
  /** It looks at what others made, and does nothing else. */
  onlyAudits: z.boolean().optional(),
  /** By kind: `Blender 3.4.1, CPU`. For people. */
  engines: z.record(z.string().max(20), z.string().max(200)).default({}),
})
export type WorkerFacts = z.output<typeof WorkerFacts>

export const WorkSay = z.discriminatedUnion('kind', [
  /** `cached`: trees of inputs that it has whole. */
  z.object({ kind: z.literal('hello'), facts: WorkerFacts, cached: z.array(TaskHash).max(1_000) }),
  z.object({
    kind: z.literal('beat'),
    held: z.array(z.object({ fence: Fence, fraction: z.number().min(0).max(1) })).max(WORK_HELD_MAX),
    /** How many tasks it would take now; 0 while its owner wants the machine. */
    room: z.int().nonnegative(),
  }),
  z.object({
    kind: z.literal('commit'),
    fence: Fence,
    outputs: z.array(OutputFile).max(TASK_OUTPUTS_MAX),
    /** By its own clock: the work alone, without inputs fetched and results sent. */
    wallMs: z.number().nonnegative(),
  }),
  z.object({ kind: z.literal('deliver'), fence: Fence }),
  z.object({ kind: z.literal('fail'), fence: Fence, failure: TaskFailure }),
])
export type WorkSay = z.output<typeof WorkSay>

/** A file of a step that this one depends on, by where the task finds it among its inputs. */
export const TaskFile = z.object({
  path: z.string().max(600),
  bytes: z.int().nonnegative(),
  sha256: TaskHash,
})
export type TaskFile = z.output<typeof TaskFile>

export const TaskGrant = z.object({
  kind: z.literal('grant'),
  fence: Fence,
  jobId: z.string(),
  organisationId: z.string(),
  step: z.int().nonnegative(),
  task: z.int().nonnegative(),
  engine: TaskKind,
  settings: StepSettings,
  params: TaskParams,
  /** The tree of the step's inputs; `null` where all that it takes is `files`. */
  inputRoot: TaskHash.nullable(),
  files: z.array(TaskFile).max(TASK_FILES_MAX),
  /** How long it will likely take this node. */
  estimateMs: z.int().positive(),
  /** Lets the node at the inputs and take its results in. Added by the gateway, which signs it. */
  token: z.string().optional(),
})
export type TaskGrant = z.output<typeof TaskGrant>

export const WorkAnswer = z.object({
  kind: z.literal('answer'),
  to: z.enum(['commit', 'deliver', 'fail']),
  fence: Fence,
  /** Why it was not taken; `null` where it was. The node drops the attempt on any refusal. */
  refusal: z.string().nullable(),
})

export const WorkOrder = z.discriminatedUnion('kind', [
  /** The coordinator does not know the node: it is to say `hello`. */
  z.object({ kind: z.literal('who') }),
  TaskGrant,
  z.object({ kind: z.literal('cancel'), fence: Fence }),
  WorkAnswer,
])
export type WorkOrder = z.output<typeof WorkOrder>

/** Over the bus, from a gateway: what its nodes said, in order. Node ids are those of proven connections. */
export const WorkNews = z.object({
  gatewayId: z.string(),
  said: z.array(z.object({ nodeId: z.string(), say: WorkSay })).max(10_000),
  /** Attempts that its nodes have and it does not know: it wants to be told of them again. */
  unknown: z
    .array(z.object({ nodeId: z.string(), fence: Fence }))
    .max(WORK_HELD_MAX)
    .optional(),
  /** It puts a grant together that comes in pages; gateways of the first release do not. */
  takesPages: z.boolean().optional(),
})
export type WorkNews = z.output<typeof WorkNews>

/** Over the bus, to one gateway: what its nodes are to be told, in order. */
export const WorkOrders = z.object({
  orders: z.array(
    z.object({
      nodeId: z.string(),
      order: WorkOrder,
      /** Of a grant that comes in several: its files are those from here on, of so many. */
      page: z.object({ from: z.int().nonnegative(), of: z.int().nonnegative() }).optional(),
    }),
  ),
})
export type WorkOrders = z.output<typeof WorkOrders>

/** Bus subject on which a gateway hears `WorkOrders`. */
export const workOrdersTo = (gatewayId: string): string => `gateway.${gatewayId}.work`
