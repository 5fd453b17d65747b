/**
 * Tasks, between the nodes of this gateway and the coordinator. What nodes say is checked and passed on in order; what they
 * are told comes by the gateway's own subject. Nothing waits for an answer here: either side says again what was lost.
 *
 * It also knows which attempts its nodes have, by their fences, and so which files a node may have:
 *
 *   granted → (cancelled | refused | delivered | failed, and that was answered) → over
 *
 * A gateway that started after a grant knows it only by the signed token: its node must mention the fence, and nobody must
 * have ended it since. The coordinator cancels what a node mentions and should not have, so that holds for a beat at most;
 * it is asked for such a grant again, as files of other steps stand in no token.
 */
import { z } from 'zod'
import { OBJECT_BYTES_MAX } from '#blobs/chunk-cutter.ts'
import { type BlobGrant, writeGrant } from '#blobs/grant.ts'
import type { Bus, Clock, Crypto, Log } from '#host/host.ts'
import { HOUR_MS } from '#kernel/time.ts'
import { PROTOCOL_WITH_TASKS } from '#protocol/agent-version.ts'
import { subjects } from '#protocol/cell.ts'
import { decodeJson, encodeFrame, FRAME_PAYLOAD_BYTES_MAX, FrameType } from '#protocol/frame.ts'
import { Problem } from '#protocol/problem.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import type { TaskGrant } from '#protocol/work-link.ts'
import { WORK_HELD_MAX, WorkNews, WorkOrder, WorkOrders, WorkSay, workOrdersTo } from '#protocol/work-link.ts'
import type { NodeWish } from './blobs/blob-access.ts'
import { createGrantPages } from './grant-pages.ts'
import type { ReceiptNode } from './receipts/node-receipts.ts'
import type { MadeResult } from './receipts/receipt-desk.ts'

/** What the pipe needs of a connection. */
export type PipeNode = ReceiptNode

export interface WorkPipe {
  /**
   * Takes the payload of a `work` frame. Throws a `Problem` or a `ZodError` for what no agent says, or says so often: it
   * costs the node its connection.
   */
  hear(node: PipeNode, payload: Uint8Array): void
  /** The connection is gone. What its node has, it has for a while yet: results may be on their way. */
  lost(node: PipeNode): void
  /**
   * Whether the node has a live attempt that needs this. Throws `unavailable` while nobody can say: the node was here before
   * this gateway started, and has not said yet what it has.
   */
  mayNode(wish: NodeWish): boolean
  /**
   * Bytes that may be kept of what the attempt made: what its node committed itself to, with room for what comes twice. Zero
   * before that; a gateway that does not know goes by what any task may make.
   */
  resultBytesMax(of: { readonly nodeId: string; readonly fence: number }): number
  close(): void
}

export interface WorkPipeParts {
  readonly bus: Pick<Bus, 'publish' | 'subscribe'>
  readonly clock: Clock
  readonly crypto: Pick<Crypto, 'hmacSha256'>
  readonly log: Log
}

interface LiveAttempt {
  readonly jobId: string
  readonly step: number
  readonly task: number
  readonly organisationId: string
  readonly inputRoot: string | null
  readonly files: ReadonlySet<string>
  /** The most that a task of its kind makes. */
  readonly bytesMax: number
  /** Its node had it before this gateway was told of it: what it committed itself to was said to another. */
  readonly isOlder: boolean
  /** What its node says to have made. Said twice it counts once: the coordinator takes no other. */
  made?: Pick<MadeResult, 'outputs' | 'wallMs'>
}

interface NodeEntry {
  /** `null` while it is not connected here. */
  node: PipeNode | null
  readonly live: Map<number, LiveAttempt>
  /** What it had by its last beat; `null` before the first. */
  mentioned: ReadonlySet<number> | null
  /** Fences that ended, the oldest first. */
  readonly over: Set<number>
  /** When the coordinator was asked last for what is mentioned and not known, by the elapsed clock. */
  askedAtMs: number
  /** What it may yet say at once. */
  budget: number
  budgetAtMs: number
}

/** The longest list of results, with room to spare; a message of the bus takes it whole. */
const SAY_BYTES_MAX = 700 * 1024
/** Of one message on the bus. */
const BATCH_BYTES = 200 * 1024
/** What comes within so long of a message travels together. */
const BATCH_MS = 4
/** A node says two things a second or three; one that comes back says all that was not answered. */
const BUDGET_MAX = 400
const BUDGET_PER_SECOND = 60
/** A long list of results counts for many sayings. */
const BYTES_PER_UNIT = 8 * 1024
/** How long the attempts of a node count that is not connected: beyond its lease, and the start of a coordinator. */
const KEEP_MS = 90_000
const OVER_MAX = 1_000
const ASK_EVERY_MS = 5_000
/** Copies of attempts that were granted and never came to an end that was heard of. */
const LIVE_MAX = 4 * WORK_HELD_MAX
/** A token ends some time after any attempt would, however little was planned for it; while it is good, `mayNode` is asked at each call. */
const TOKEN_MS = 24 * HOUR_MS

/** Engines end what makes more; only a video is bounded by what an object may be. */
const RESULT_BYTES_MAX = 4 * 1024 ** 3
/** Chunks have names, and a pack that broke off comes again in part. */
const RESULT_BYTES_MORE = 16 * 1024 * 1024
const RESULT_TIMES = 1.05

const writeNews = jsonWriter(WorkNews)
const writeOrder = jsonWriter(WorkOrder)
const encoder = new TextEncoder()

export function createWorkPipe(
  { bus, clock, crypto, log }: WorkPipeParts,
  options: {
    readonly gatewayId: string
    readonly keySecret: string
    /** A result was delivered, and taken. */
    readonly onMade?: (node: PipeNode, result: MadeResult) => void
  },
): WorkPipe {
  const { gatewayId, keySecret } = options
  const entries = new Map<string, NodeEntry>()
  const sign = (text: string): string => Buffer.from(crypto.hmacSha256(keySecret, text)).toString('hex')
  const batch = createBatch(clock, (said) =>
    bus.publish(subjects.work, writeNews({ gatewayId, said, takesPages: true })),
  )
  const pages = createGrantPages()
  let isClosed = false

  function entryOf(nodeId: string): NodeEntry {
    const known = entries.get(nodeId)
    if (known) return known
    const made = {
      node: null,
      live: new Map(),
      mentioned: null,
      over: new Set<number>(),
      askedAtMs: Number.NEGATIVE_INFINITY,
    }
    const entry: NodeEntry = { ...made, budget: BUDGET_MAX, budgetAtMs: clock.elapsedMs() }
    entries.set(nodeId, entry)
    return entry
  }

  /** Throws for a node that says more than any agent would. */
  function spend(entry: NodeEntry, bytes: number): void {
    const nowMs = clock.elapsedMs()
    const earned = ((nowMs - entry.budgetAtMs) * BUDGET_PER_SECOND) / 1_000
    entry.budget = Math.min(BUDGET_MAX, entry.budget + earned) - (1 + bytes / BYTES_PER_UNIT)
    entry.budgetAtMs = nowMs
    if (entry.budget < 0)
      throw new Problem('rate_limited', 'A node says more of its tasks than there can be to say.')
  }

  function order(nodeId: string, told: WorkOrder): void {
    const entry = entries.get(nodeId)
    // It is said again to who comes back.
    if (!entry?.node) return
    const whole = told.kind === 'grant' ? { ...told, token: tokenFor(nodeId, told) } : told
    const payload = encoder.encode(writeOrder(whole))
    if (payload.length > FRAME_PAYLOAD_BYTES_MAX)
      throw new Problem(
        'body_too_large',
        `A node is told ${payload.length} bytes at once: its task takes too many files.`,
      )
    if (told.kind === 'answer' && told.to === 'deliver' && told.refusal === null) tellMade(entry, told.fence)
    note(entry, told)
    entry.node.send(encodeFrame(FrameType.work, 0, payload))
  }

  function askForUnknown(nodeId: string, entry: NodeEntry): void {
    const { live, over, mentioned, askedAtMs } = entry
    const fences = [...(mentioned ?? [])].filter((fence) => !live.has(fence) && !over.has(fence))
    const nowMs = clock.elapsedMs()
    if (fences.length === 0 || nowMs - askedAtMs < ASK_EVERY_MS) return
    entry.askedAtMs = nowMs
    const unknown = fences.map((fence) => ({ nodeId, fence }))
    bus.publish(subjects.work, writeNews({ gatewayId, said: [], unknown, takesPages: true }))
  }

  function tellMade({ node, live }: NodeEntry, fence: number): void {
    const attempt = live.get(fence)
    if (!node || !attempt?.made) return
    const { jobId, organisationId, step, task, made } = attempt
    options.onMade?.(node, { jobId, organisationId, step, task, fence, ...made })
  }

  function tokenFor(nodeId: string, { organisationId, inputRoot, fence }: TaskGrant): string {
    const read: BlobGrant['read'] = inputRoot === null ? [] : [{ kind: 'tree', sha256: inputRoot }]
    const grant = { organisationId, nodeId, read, mayWrite: true, fence }
    return writeGrant({ ...grant, expiresAtMs: clock.nowMs() + TOKEN_MS }, sign)
  }

  function receive(text: string): void {
    if (isClosed) return
    const { orders } = WorkOrders.parse(JSON.parse(text))
    for (const one of orders) {
      const { nodeId } = one
      const told = pages.take(one)
      if (told === null) continue
      try {
        order(nodeId, told)
      } catch (error) {
        // What one node is told must not keep another from its orders.
        if (!(error instanceof z.ZodError || error instanceof Problem)) throw error
        log.warn('work.order_malformed', { nodeId, kind: told.kind, message: error.message })
      }
    }
  }

  const subscription = bus.subscribe(workOrdersTo(gatewayId), receive)
  return {
    hear(node, payload) {
      if (isClosed) return
      if (node.protocol < PROTOCOL_WITH_TASKS)
        throw new Problem('invalid_request', 'An agent speaks of tasks and agreed on a version without them.')
      if (payload.length > SAY_BYTES_MAX)
        throw new Problem('invalid_request', `A node says ${payload.length} bytes of a task at once.`)
      const entry = entryOf(node.nodeId)
      spend(entry, payload.length)
      const say = WorkSay.parse(decodeJson(payload))
      entry.node = node
      const live = say.kind === 'commit' ? entry.live.get(say.fence) : undefined
      if (live && say.kind === 'commit') live.made ??= { outputs: say.outputs, wallMs: say.wallMs }
      if (say.kind === 'beat') entry.mentioned = new Set(say.held.map(({ fence }) => fence))
      batch.add({ nodeId: node.nodeId, say }, payload.length)
      if (say.kind === 'beat') askForUnknown(node.nodeId, entry)
    },
    lost(node) {
      const entry = entries.get(node.nodeId)
      if (entry?.node !== node) return
      entry.node = null
      clock.after(KEEP_MS, () => {
        if (entry.node === null && entries.get(node.nodeId) === entry) entries.delete(node.nodeId)
      })
    },
    mayNode({ nodeId, organisationId, root, fence }) {
      const entry = entries.get(nodeId)
      if (fence === undefined) return false
      // A transfer may be back before its node's connection is: it is no reason to throw a result away.
      if (!entry || (entry.mentioned === null && !entry.live.has(fence) && !entry.over.has(fence)))
        throw new Problem(
          'unavailable',
          'This node has not said yet which tasks it has. Try again in a moment.',
        )
      const attempt = entry.live.get(fence)
      if (!attempt) {
        if (entry.mentioned?.has(fence) !== true || entry.over.has(fence)) return false
        // Known by its token alone: the trees in it are signed, other files are not.
        if (root?.kind === 'object')
          throw new Problem(
            'unavailable',
            'Which files this task may have is asked for. Try again in a moment.',
          )
        return true
      }
      if (attempt.organisationId !== organisationId) return false
      if (root === null) return true
      return root.kind === 'tree' ? root.sha256 === attempt.inputRoot : attempt.files.has(root.sha256)
    },
    resultBytesMax({ nodeId, fence }) {
      const { made, bytesMax = OBJECT_BYTES_MAX, isOlder = true } = entries.get(nodeId)?.live.get(fence) ?? {}
      const madeBytes =
        made?.outputs.reduce((sum, { bytes }) => sum + bytes, 0) ?? (isOlder ? bytesMax : null)
      return madeBytes === null ? 0 : Math.min(madeBytes, bytesMax) * RESULT_TIMES + RESULT_BYTES_MORE
    },
    close() {
      isClosed = true
      batch.close()
      subscription.close()
      entries.clear()
    },
  }
}

/** Which attempts the node has from now on. */
function note(entry: NodeEntry, told: WorkOrder): void {
  if (told.kind === 'grant') {
    if (entry.over.has(told.fence)) return
    const { jobId, step, task, organisationId, inputRoot } = told
    const files = new Set(told.files.map(({ sha256 }) => sha256))
    const known = entry.live.get(told.fence)
    const made = known?.made
    const isOlder = known?.isOlder ?? entry.mentioned?.has(told.fence) === true
    const bytesMax = told.engine === 'ffmpeg' ? OBJECT_BYTES_MAX : RESULT_BYTES_MAX
    const attempt = { jobId, step, task, organisationId, inputRoot, files, bytesMax, isOlder }
    entry.live.set(told.fence, { ...attempt, ...(made && { made }) })
    dropOldest(entry.live, LIVE_MAX)
  }
  const isEnd =
    told.kind === 'cancel' || (told.kind === 'answer' && (told.to !== 'commit' || told.refusal !== null))
  if (!isEnd) return
  entry.live.delete(told.fence)
  entry.over.add(told.fence)
  dropOldest(entry.over, OVER_MAX)
}

function dropOldest(
  fences: { keys(): Iterator<number>; delete(fence: number): boolean; size: number },
  max: number,
): void {
  if (fences.size <= max) return
  const oldest = fences.keys().next()
  if (!oldest.done) fences.delete(oldest.value)
}

type Said = WorkNews['said'][number]

/** The first goes at once; what comes just behind it goes together. */
function createBatch(clock: Clock, publish: (said: Said[]) => void) {
  let said: Said[] = []
  let bytes = 0
  let isResting = false
  let isClosed = false

  function flush(): void {
    isResting = false
    if (said.length === 0 || isClosed) return
    const now = said
    said = []
    bytes = 0
    isResting = true
    clock.after(BATCH_MS, flush)
    publish(now)
  }

  return {
    add(one: Said, length: number): void {
      // One long list of results leaves alone, so that no message is beyond what the bus takes.
      if (bytes > 0 && bytes + length > BATCH_BYTES) flush()
      said.push(one)
      bytes += length
      if (!isResting || bytes >= BATCH_BYTES) flush()
    },
    close(): void {
      isClosed = true
    },
  }
}
