/** What gateways and the coordinator of one cell say to each other over the bus. */
import { z } from 'zod'
import { Capability } from './capability.ts'
import { KeyLimits, KeyUse } from './key-limits.ts'
import { ColdModel, FollowedModel, HostedModel, ModelDemand, WantedModel } from './model-catalogue.ts'
import { NanoUsd } from './money.ts'
import { NodeClass } from './node-class.ts'
import { Scope } from './scope.ts'
import { SlaClass } from './sla.ts'
import { UsageRecord } from './usage.ts'

/** Bus subjects. */
export const subjects = {
  follow: 'coordinator.follow',
  changed: 'coordinator.changed',
  presence: 'coordinator.presence',
  report: 'coordinator.report',
  takeSlice: 'coordinator.take_slice',
  renewSlices: 'coordinator.renew_slices',
  returnSlices: 'coordinator.return_slices',
  usage: 'coordinator.usage',
  /** What came of looking at answers: `AnswerReport`. */
  answers: 'coordinator.answers',
  /** What nodes say of their tasks: `WorkNews`. What they are told comes by `workOrdersTo` their gateway. */
  work: 'coordinator.work',
  /** What nodes say of their devices: `HealthNews`. */
  health: 'coordinator.health',
  /** What nodes signed, and what they bring in that may have been lost: `ReceiptNews`. */
  receipts: 'coordinator.receipts',
  /** Whoever keeps the files of jobs looks at results: `CheckOutputs` and `CompareCrops`. */
  checkOutputs: 'blobs.check_outputs',
  compareCrops: 'blobs.compare_crops',
  /** What jobs of an organisation need of its files, asked before any of them is collected: `BlobRoots`. */
  blobRoots: 'coordinator.blob_roots',
  /** Somebody looks at what gateways do right now, and what each then tells: `GatewayLive`. */
  watchLive: 'gateways.watch_live',
  live: 'coordinator.live',
} as const

/** A gateway asks for what changed since `version`; `epoch` 0 asks for everything. Doubles as its sign of life. */
export const Follow = z.object({
  gatewayId: z.string(),
  epoch: z.int(),
  version: z.int(),
  /**
   * It takes a long answer in parts: the `next` of the part before, empty for the first. Absent from gateways of earlier
   * releases, which are told everything at once.
   */
  from: z.string().optional(),
  /** How long ago it heard the coordinator last. Absent before it did, and from gateways of earlier releases. */
  heardAgoMs: z.int().nonnegative().optional(),
  /** Of the models in the catalogue that somebody asks for. */
  demand: z.array(ModelDemand).optional(),
  /** How far its nodes are with the models that were placed on them: of those that told anything. */
  hosted: z.array(z.object({ nodeId: z.string(), models: z.array(HostedModel) })).optional(),
})
export type Follow = z.output<typeof Follow>
/** What keeps a node from work, and why, for its owner. It stays connected. */
export const Bar = z.object({
  code: z.enum(['unproven', 'quarantined', 'sick', 'suspended']),
  message: z.string(),
})
export type Bar = z.output<typeof Bar>

export const FollowedNode = z.object({
  id: z.string(),
  organisationId: z.string(),
  publicKey: z.string(),
  session: z.int(),
  isDrained: z.boolean(),
  isBanned: z.boolean(),
  /** Models that it served when it last reported, here now or not. */
  models: z.array(z.string()),
  /** Absent from coordinators of the first release: community. */
  nodeClass: NodeClass.optional(),
  /** It gets no work; absent while it may work. */
  barred: Bar.optional(),
  /** The chance that one of its answers is looked at, in hundredths of a percent. Absent: none is. */
  auditBps: z.int().min(0).max(10_000).optional(),
  /** The operator's own: what it says of others' answers needs no second opinion. */
  isReference: z.boolean().optional(),
  /** What it said of others' answers turned out wrong: nobody asks it any more. */
  isBadAuditor: z.boolean().optional(),
  /** How well it works, of late, from 0 to 1, with the benefit of the doubt; absent: as a new one. */
  standing: z.number().min(0).max(1).optional(),
  /** What it surely does of what it is given, from 0 to 1; absent: as a new one. */
  successLcb: z.number().min(0).max(1).optional(),
  /** Since when it is up, through connections that broke for a moment; absent while it is not. */
  upSinceMs: z.int().optional(),
  /** From where it joined, as `203.0.113.0/24`; absent where that is not known. */
  network: z.string().optional(),
  /** Its version of the agent fails elsewhere: it gets no work with a promise. */
  isHalted: z.boolean().optional(),
  /** What it is to serve by the network's choice; absent where nothing was ever placed on it. */
  wanted: z.array(WantedModel).optional(),
})
export type FollowedNode = z.output<typeof FollowedNode>
export const FollowedKey = z.object({
  id: z.string(),
  organisationId: z.string(),
  hash: z.string(),
  scopes: z.array(Scope),
  isRevoked: z.boolean(),
  /** By cell time. Absent: it does not end by itself. */
  expiresAtMs: z.int().optional(),
  /** Absent: none. */
  limits: KeyLimits.optional(),
  /** Under which name its use is counted, and what was; absent for a key without limits on its use. */
  budgetId: z.string().optional(),
  use: KeyUse.optional(),
  /** What its jobs may yet cost, of its limits of money. Absent: nothing. */
  promised: NanoUsd.optional(),
  /** What its requests are promised. Absent: nothing. */
  slaClass: SlaClass.optional(),
})
export type FollowedKey = z.output<typeof FollowedKey>
export const FollowReply = z.object({
  epoch: z.int(),
  version: z.int(),
  /** True when nodes and keys are everything, not what changed. */
  isComplete: z.boolean(),
  /** This is one part of everything, and there is more: the `from` of the next. None of it counts before all is there. */
  next: z.string().optional(),
  /** The coordinator had given this gateway up: it must report all its nodes again. */
  wantsPresence: z.boolean(),
  nodes: z.array(FollowedNode),
  keys: z.array(FollowedKey),
  /** It counts for promises, and knows a tally in a spool from a reading. Absent from earlier coordinators. */
  takesTallies: z.boolean().optional(),
  /** Cell time when it was made; absent from coordinators of the first release. */
  nowMs: z.int().optional(),
  /** How many gateways the coordinator hears: each allows its share of what is left of a key's limits. */
  gateways: z.int().optional(),
  /** The whole catalogue of models, when it is not as the reader knows it. */
  models: z.array(FollowedModel).optional(),
  /** Models of the catalogue that no node serves now. */
  loading: z.array(ColdModel).optional(),
  /** Where the coordinator's own API is, when it has a listener of its own. */
  apiUrl: z.string().optional(),
  /** With everything: tells the network's secret, under which keys are hashed, from another. */
  keySecretCheck: z.string().optional(),
})
export type FollowReply = z.output<typeof FollowReply>

export const NodePresence = z.object({
  nodeId: z.string(),
  session: z.int(),
  status: z.enum(['online', 'suspect', 'gone']),
  reason: z.enum(['left', 'link_closed', 'silent']).nullable(),
})
export type NodePresence = z.output<typeof NodePresence>

/** One at a time per gateway: the next leaves only after this one was answered, so news never overtakes news. */
export const PresenceReport = z.object({
  gatewayId: z.string(),
  /** Grows with every start of the gateway. */
  incarnation: z.int(),
  /** Random: tells two starts apart that count alike, as after a disk was put back. */
  start: z.string().optional(),
  sequence: z.int(),
  /** True when `nodes` are all of the gateway's nodes. */
  isComplete: z.boolean(),
  nodes: z.array(NodePresence),
})
export type PresenceReport = z.output<typeof PresenceReport>
export const PresenceReply = z.object({
  epoch: z.int(),
  /** Connections that the coordinator does not accept, with the session that the node must exceed. */
  refused: z.array(z.object({ nodeId: z.string(), session: z.int(), sessionMin: z.int() })),
  /** The report was of an earlier start of its gateway and is not applied: from this incarnation on it would be. */
  incarnationMin: z.int().optional(),
})
export type PresenceReply = z.output<typeof PresenceReply>

export const ReportNode = z.object({ nodeId: z.string(), capability: Capability, askPerGpuHour: NanoUsd })

export const TakeSlice = z.object({
  gatewayId: z.string(),
  organisationId: z.string(),
  /** Made by the gateway, so that a repeated call lends once. */
  holdId: z.string(),
  /** Lent in all on this slice, at least and at best. */
  needed: NanoUsd,
  wanted: NanoUsd,
})
export type TakeSlice = z.output<typeof TakeSlice>
export const TakeSliceReply = z.object({
  /** Lent in all on this slice; `null` when refused. */
  lent: NanoUsd.nullable(),
  /** For a new slice. Counted by the gateway from when it asked: clocks are never compared. */
  ttlMs: z.int(),
  refusal: z.enum(['funds_insufficient', 'account_unknown']).nullable(),
})
export type TakeSliceReply = z.output<typeof TakeSliceReply>

export const SliceList = z.object({ gatewayId: z.string(), holdIds: z.array(z.string()) })
export const RenewReply = z.object({ renewed: z.array(z.string()), ttlMs: z.int() })
export const ReturnReply = z.object({ returned: z.array(z.string()) })

export const UsageBatch = z.object({
  spoolId: z.string(),
  firstSequence: z.int().positive(),
  records: z.array(UsageRecord),
})
export type UsageBatch = z.output<typeof UsageBatch>
/** What the ledger counts as used of a key's limits. */
export const BudgetUse = z.object({ budgetId: z.string(), ...KeyUse.shape })
export type BudgetUse = z.output<typeof BudgetUse>
/** Records below `nextSequence` are in the ledger for good. */
export const UsageReply = z.object({
  nextSequence: z.int(),
  /** With these records in it, of the limits that they count for. */
  uses: z.array(BudgetUse).optional(),
})
