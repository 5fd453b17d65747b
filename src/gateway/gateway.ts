/**
 * The data plane: holds the agents' connections, admits requests against local slices of balance, gives each to a
 * node, meters it. No call to the coordinator is on a request's path.
 */
import type { Host, Link, LinkHandlers } from '#host/host.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { Problem } from '#protocol/problem.ts'
import type { Scope } from '#protocol/scope.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { createDirectory, type Directory } from './directory.ts'
import { featureMissing } from './engine-fit.ts'
import { startFollower } from './follower.ts'
import { createKeyBudgets, type LimitedKey } from './key-budgets.ts'
import type { NetworkIdentity } from './network-prover.ts'
import type { NodeConnection, Offer } from './node-connection.ts'
import { createNodeLinks, type NodeLinks } from './node-links.ts'
import { RequestQueue } from './request-queue.ts'
import { RequestRun, type RunHost, type RunRequest, type RunSink } from './request-run.ts'
import { chooseNode } from './router.ts'
import { createSlices } from './slices.ts'
import { openUsageSpool } from './usage-spool.ts'

export interface GatewayOptions {
  readonly gatewayId: string
  /** Under which API keys are hashed; the cell's own secret. */
  readonly keySecret: string
  /** Between two heartbeats of an agent; the protocol's own unless a simulated network says otherwise. */
  readonly heartbeatMs?: number
  /** Proves to agents whose gateway this is; without it no proof is given. */
  readonly network?: NetworkIdentity
  readonly onFatal: (problem: Problem) => void
  /** Told of each request's one outcome. */
  readonly onOutcome?: (record: UsageRecord) => void
}

export interface Caller {
  readonly keyId: string
  readonly organisationId: string
  readonly scopes: readonly Scope[]
  /** Absent for a key without limits. */
  readonly limited?: LimitedKey
}

export interface Gateway {
  readonly gatewayId: string
  readonly directory: Directory
  readonly nodes: NodeLinks
  /** Who holds this API key, or why it opens nothing. */
  authenticate(apiKey: string | null): Caller | Problem
  /** Takes the request in, or says why not. From here on it ends in exactly one outcome. */
  admit(request: RunRequest, sink: RunSink, caller?: Caller): RequestRun | Problem
  /** `x-ratelimit-*` of the caller's key, as they stand now. */
  limitHeaders(caller: Caller): Record<string, string>
  acceptLink(link: Link): LinkHandlers
  /** Live models with what nodes ask and do, by id. */
  models(): Map<string, LiveModel>
  /** The longest context that a live node has for `model`; null while none serves it. */
  contextTokens(model: string): number | null
  requestsOpen(): number
  /** Runs once the directory was first loaded. */
  onReady(run: () => void): void
  close(): Promise<void>
}

export interface LiveModel {
  readonly id: string
  readonly contextTokens: number
  readonly nodes: number
  readonly slots: number
  readonly tasks: readonly string[]
  readonly promptPerMillionMin: NanoUsd
  readonly promptPerMillionMax: NanoUsd
  readonly completionPerMillionMin: NanoUsd
  readonly completionPerMillionMax: NanoUsd
  readonly decodeTokensPerSecond: number
  /** Of the quickest node, one request alone. */
  readonly decodeTokensPerSecondSingle: number
  /** What at least one of its nodes can do beyond plain text. */
  readonly features: readonly string[]
  /** An answer goes on when its node fails, on another with the same weights: some of its nodes take one over. */
  readonly resumes: boolean
}

/** How long a request waits for a node or for money before it is refused. */
export const QUEUE_WAIT_MS = 30_000
/** Silence of an engine that counts as its failure: before the first token, and after it. */
export const FIRST_TOKEN_WAIT_MS = 60_000
export const STALL_MS = 20_000
/** A caller that reads nothing for this long loses its answer: it must not hold a slot for ever. */
export const SLOW_READER_MS = 60_000
const QUEUE_MAX = 1_024
const SWEEP_MS = 250

export async function openGateway(host: Host, options: GatewayOptions): Promise<Gateway> {
  const { bus, clock, crypto, log, random, secrets } = host
  const { gatewayId, keySecret, onFatal } = options
  const journal = await host.journals.open('spool')
  const directory = createDirectory(clock)
  const budgets = createKeyBudgets(clock, directory.cellNowMs)
  const spool = await openUsageSpool({ journal, bus, clock, log, secrets }, onFatal, {
    onWaiting: budgets.waits,
    onSettled: budgets.settled,
  })
  const slices = createSlices(host, { gatewayId, acknowledgedSequence: () => spool.acknowledged() })
  const queue = new RequestQueue<RequestRun>(QUEUE_MAX)
  const runs = new Set<RequestRun>()
  const readyListeners: (() => void)[] = []
  let isClosed = false
  let isPumping = false
  let isPumpDue = false

  const nodes = createNodeLinks(
    { bus, clock, crypto, log, secrets, directory },
    {
      gatewayId,
      incarnation: journal.epoch,
      ...(options.heartbeatMs === undefined ? {} : { heartbeatMs: options.heartbeatMs }),
      ...(options.network === undefined ? {} : { network: options.network }),
      onAvailable: () => pump(),
      onUnknownNode: () => follower.poke(),
    },
  )
  const follower = startFollower({ bus, clock, log, directory, gatewayId }, (reply) => {
    budgets.tell(reply.keys.flatMap(({ budgetId, use }) => (budgetId && use ? [{ budgetId, ...use }] : [])))
    budgets.followed(reply.gateways ?? 1)
    for (const run of readyListeners.splice(0)) run()
    if (reply.wantsPresence) nodes.reportAll()
    // Nearly every reply says that nothing changed.
    if (reply.isComplete || reply.nodes.length > 0) nodes.recheck()
    else pump()
  })

  /** Gives waiting requests to free nodes, oldest first, as long as any fits. What frees a slot meanwhile runs it again. */
  function pump(): void {
    isPumpDue = true
    if (isPumping || isClosed) return
    isPumping = true
    while (isPumpDue) {
      isPumpDue = false
      for (const run of queue.candidates()) {
        const choice = choose(run)
        if (!choice) continue
        queue.remove(run)
        run.assign(choice.node, choice.offer)
      }
    }
    isPumping = false
  }

  function choose(run: RequestRun): { node: NodeConnection; offer: Offer } | null {
    const { engine } = run.request
    const candidates = []
    for (const node of nodes.ready()) {
      const offer = node.offers.get(engine.model)
      if (!offer || !run.accepts(offer)) continue
      const { slots, decodeTokensPerSecond } = offer.model
      const outstanding = node.outstanding()
      candidates.push({ nodeId: node.nodeId, outstanding, slots, decodeTokensPerSecond, node, offer })
    }
    return chooseNode(candidates, random)
  }

  const runHost: RunHost = {
    nowMs: () => clock.nowMs(),
    elapsedMs: () => clock.elapsedMs(),
    reserve: slices.reserve,
    settle: slices.settle,
    meter(record, done) {
      spool.append(record, (sequence) => {
        done(sequence)
        options.onOutcome?.(record)
      })
    },
    onFreed(run) {
      // A caller may leave while its request still waits for a node.
      queue.remove(run)
      pump()
    },
    onOver: (run) => void runs.delete(run),
    requeue(run) {
      queue.putBack(run)
      pump()
    },
  }

  /** With another node at hand a silent one is left soon; alone it is waited for. */
  function silenceMsMax(run: RequestRun): number {
    if (!run.pace.hasData) return FIRST_TOKEN_WAIT_MS
    const canMove = [...nodes.ready()].some((node) => {
      const offer = node.offers.get(run.request.engine.model)
      return node.nodeId !== run.nodeId && offer !== undefined && run.accepts(offer)
    })
    return canMove ? Math.min(run.pace.stallMs(), STALL_MS) : STALL_MS
  }

  function sweep(): void {
    if (isClosed) return
    const nowMs = clock.elapsedMs()
    for (const run of runs) {
      const silenceMs = nowMs - run.pace.movedMs
      const isWaiting = run.state === 'waiting' || run.state === 'reserving'
      if (isWaiting && nowMs - run.waitingSinceMs > QUEUE_WAIT_MS) {
        queue.remove(run)
        run.fail(run.state === 'waiting' ? noNodeInTime(run, nodes) : notReserved())
      } else if (run.state === 'running' && run.isPaused) {
        if (silenceMs > SLOW_READER_MS) run.cutReader()
      } else if (run.state === 'running') {
        if (silenceMs > run.pace.stallMs() && silenceMs > silenceMsMax(run)) run.stall(silenceMs)
      }
    }
    clock.after(SWEEP_MS, sweep)
  }
  clock.after(SWEEP_MS, sweep)

  return {
    gatewayId,
    directory,
    nodes,
    authenticate: (apiKey) =>
      authenticate({ apiKey, directory, hash: (key) => hex(crypto.hmacSha256(keySecret, key)) }),
    limitHeaders: ({ limited }) => (limited ? budgets.headers(limited) : {}),
    admit(request, sink, caller) {
      const refusal = refuse(request.engine.model) ?? unfit(request.engine, nodes)
      if (refusal) return refusal
      const limited = caller?.limited
      const tokensMax = request.promptTokensMax + request.completionTokensMax
      const budget = limited ? budgets.admit(limited, tokensMax) : null
      if (budget instanceof Problem) return budget
      const run = new RequestRun(runHost, { ...request, ...(budget && { budget }) }, sink)
      if (!queue.push(run)) {
        budget?.release()
        return new Problem(
          'queue_full',
          `All nodes are busy and ${QUEUE_MAX} requests wait. Try again in a few seconds.`,
        )
      }
      runs.add(run)
      pump()
      return run
    },
    acceptLink: nodes.accept,
    models: () => liveModels(nodes),
    contextTokens: (model) => longestContext(offersOf(model, nodes)),
    requestsOpen: () => runs.size,
    onReady(run) {
      if (directory.isLoaded()) run()
      else readyListeners.push(run)
    },
    async close() {
      isClosed = true
      follower.close()
      slices.close()
      nodes.close()
      await spool.close()
    },
  }

  function refuse(model: string): Problem | null {
    if (isClosed) return new Problem('unavailable', 'This gateway is stopping. Try again in a moment.')
    if (spool.isFull()) {
      return new Problem(
        'unavailable',
        'The coordinator has been away for too long to meter more work. Try again later.',
      )
    }
    const isHere = [...nodes.ready()].some((node) => node.hasOffered(model))
    if (isHere || directory.knowsModel(model)) return null
    const known = [...liveModels(nodes).keys()].slice(0, 10)
    const choice = known.length > 0 ? `It serves: ${known.join(', ')}.` : 'No node serves any model yet.'
    return new Problem('model_not_found', `No node of this network serves the model '${model}'. ${choice}`, {
      details: { param: 'model' },
    })
  }
}

function authenticate(parts: {
  apiKey: string | null
  directory: Directory
  hash: (key: string) => string
}): Caller | Problem {
  const { apiKey, directory, hash } = parts
  if (!directory.isLoaded()) {
    return new Problem(
      'unavailable',
      'This gateway has not heard from the coordinator yet. Try again in a moment.',
    )
  }
  if (!apiKey) {
    return new Problem('invalid_api_key', 'No API key was sent. Send it as "Authorization: Bearer YOUR_KEY".')
  }
  const key = directory.keyByHash(hash(apiKey))
  if (!key) {
    const hint = apiKey.length > 16 ? ` ${apiKey.slice(0, 8)}…${apiKey.slice(-4)}` : ''
    return new Problem(
      'invalid_api_key',
      `The API key${hint} is unknown, expired or revoked. Make one with "shoal keys create".`,
    )
  }
  const { id: keyId, organisationId, scopes, limits, budgetId = keyId } = key
  return { keyId, organisationId, scopes, ...(limits && { limited: { budgetId, limits } }) }
}

function noNodeInTime(run: RequestRun, nodes: NodeLinks): Problem {
  const { model } = run.request.engine
  if (run.isContinuing) {
    return new Problem(
      'node_failed',
      `The node failed while it answered, and no other node with the same weights of '${model}' was free within ${QUEUE_WAIT_MS / 1_000} s to go on. Try again.`,
    )
  }
  const serving = [...nodes.ready()].filter((node) => node.offers.has(model)).length
  const failed = run.failedOffers.size
  const why =
    serving === 0
      ? 'none is connected'
      : `${serving} ${serving === 1 ? 'is' : 'are'} connected${failed > 0 ? `, ${failed} failed this request` : ''}, and no slot came free`
  return new Problem(
    'no_node_available',
    `No node could take '${model}' within ${QUEUE_WAIT_MS / 1_000} s: ${why}. Try again later, or add a node with "shoal provide".`,
  )
}

const notReserved = (): Problem =>
  new Problem(
    'unavailable',
    'The coordinator did not answer in time to reserve the cost of this request. Try again later.',
  )

const offersOf = (model: string, nodes: NodeLinks): Offer[] =>
  [...nodes.ready()].flatMap((node) => node.offers.get(model) ?? [])

const unfit = (request: EngineRequest, nodes: NodeLinks): Problem | null =>
  featureMissing(request, offersOf(request.model, nodes))

const longestContext = (offers: readonly Offer[]): number | null =>
  offers.length === 0 ? null : Math.max(...offers.map(({ model }) => model.contextTokens))

function liveModels(nodes: NodeLinks): Map<string, LiveModel> {
  const models = new Map<string, LiveModel>()
  for (const node of nodes.ready()) {
    for (const [id, { model, price }] of node.offers) {
      const seen = models.get(id)
      const { promptPerMillion, completionPerMillion } = price
      models.set(id, {
        id,
        contextTokens: Math.max(seen?.contextTokens ?? 0, model.contextTokens),
        nodes: (seen?.nodes ?? 0) + 1,
        slots: (seen?.slots ?? 0) + model.slots,
        tasks: [...new Set([...(seen?.tasks ?? []), ...model.tasks])],
        promptPerMillionMin: least(seen?.promptPerMillionMin, promptPerMillion),
        promptPerMillionMax: most(seen?.promptPerMillionMax, promptPerMillion),
        completionPerMillionMin: least(seen?.completionPerMillionMin, completionPerMillion),
        completionPerMillionMax: most(seen?.completionPerMillionMax, completionPerMillion),
        decodeTokensPerSecond: (seen?.decodeTokensPerSecond ?? 0) + model.decodeTokensPerSecond,
        decodeTokensPerSecondSingle: Math.max(
          seen?.decodeTokensPerSecondSingle ?? 0,
          model.decodeTokensPerSecondSingle,
        ),
        features: [...new Set([...(seen?.features ?? []), ...(model.features ?? [])])],
        resumes: (seen?.resumes ?? false) || model.resumes === true,
      })
    }
  }
  return models
}

const least = (a: NanoUsd | undefined, b: NanoUsd): NanoUsd => (a === undefined || b < a ? b : a)
const most = (a: NanoUsd | undefined, b: NanoUsd): NanoUsd => (a === undefined || b > a ? b : a)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
