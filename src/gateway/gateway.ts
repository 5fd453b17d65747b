/**
 * The data plane: holds the agents' connections, admits requests against local slices of balance, gives each to a
 * node, meters it. No call to the coordinator is on a request's path.
 */
import type { Host, Link, LinkHandlers } from '#host/host.ts'
import { keySecretCheck, otherSecret } from '#host/key-secret.ts'
import type { FollowedKey } from '#protocol/cell.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { Problem } from '#protocol/problem.ts'
import type { Scope } from '#protocol/scope.ts'
import type { SlaClass } from '#protocol/sla.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { QUEUE_WAIT_MS } from './admission.ts'
import { openAudits } from './audits/open-audits.ts'
import { provingModelAnswer } from './cold-model.ts'
import { createDirectory, type Directory } from './directory.ts'
import { createDispatcher, type Dispatcher } from './dispatcher.ts'
import { unfit } from './engine-fit.ts'
import { startFollower } from './follower.ts'
import { createProofRelay } from './hardware/proof-relay.ts'
import { createHealthRelay, measuringAgain } from './health-relay.ts'
import { createHostingDesk } from './hosting-desk.ts'
import { createKeyBudgets, type KeyBudgets, type LimitedKey } from './key-budgets.ts'
import { type LiveModel, liveModels } from './live-models.ts'
import type { NetworkIdentity } from './network-prover.ts'
import type { NodeConnection, Offer } from './node-connection.ts'
import { createNodeLinks, type NodeLinks } from './node-links.ts'
import { createOfferedLately } from './offered-lately.ts'
import type { Room } from './peers.ts'
import { createReceiptDesk } from './receipts/receipt-desk.ts'
import { createRecounter, type ModelCounter } from './recount/recounter.ts'
import type { RequestRun } from './request-run.ts'
import type { RunHost } from './run-host.ts'
import { offeredTo } from './run-offer.ts'
import type { RunRequest, RunSink } from './run-request.ts'
import { createSlaDesk } from './sla-desk.ts'
import { createSlices } from './slices.ts'
import { type GatewayTelemetry, noTelemetry } from './telemetry.ts'
import { openUsageSpool, type UsageSpool } from './usage-spool.ts'
import { createWorkPipe, type WorkPipe } from './work-pipe.ts'

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
  /** Told of all that happens to requests. */
  readonly telemetry?: GatewayTelemetry
  /** Count answers anew, by model; those of other models are only bounded. */
  readonly counters?: ReadonlyMap<string, ModelCounter>
  /** Its nodes get tasks: whose files are then served where it is. */
  readonly takesTasks?: boolean
}

export interface Caller {
  readonly keyId: string
  readonly organisationId: string
  readonly scopes: readonly Scope[]
  /** Absent for a key without limits. */
  readonly limited?: LimitedKey
  /** Why the keeper of its limits has no room for the call. */
  readonly overLimit?: Problem
  /** What it is promised; absent: nothing. */
  readonly slaClass?: SlaClass
}

export interface Gateway {
  readonly gatewayId: string
  readonly directory: Directory
  readonly nodes: NodeLinks
  /** Knows which nodes have which tasks; `null` where they get none. */
  readonly work: Pick<WorkPipe, 'mayNode' | 'resultBytesMax'> | null
  /** Who holds this API key, or why it opens nothing. */
  authenticate(apiKey: string | null): Caller | Problem
  /** Takes the request in, or says why not. From here on it ends in exactly one outcome. */
  admit(request: RunRequest, sink: RunSink, caller?: Caller): RequestRun | Problem
  /** The reader of this request was too slow once. */
  heldUp(requestId: string): void
  /** Who holds the key with this id, as `authenticate`; `null` when it is good for nothing any more. */
  callerOf(keyId: string): Caller | null
  /** How many requests of batches may be given to nodes now; none while anybody else waits for a node. */
  batchRoom(model: string): number
  /** What became durable with the readings of batches, and nobody has released. */
  readonly kept: Pick<UsageSpool, 'kept' | 'release'>
  /** `x-ratelimit-*` of the caller's key, as they stand now. */
  limitHeaders(caller: Caller): Record<string, string>
  /** Limits of requests that one worker of a machine counts for all of them. */
  readonly limits: Pick<KeyBudgets, 'isKept' | 'count'>
  acceptLink(link: Link): LinkHandlers
  /** Live models with what nodes ask and do, by id. */
  models(): Map<string, LiveModel>
  /** How much of its slots is taken; null while no node serves it, or none for `task` where one is given. */
  roomOf(model: string, task?: EngineRequest['kind']): Room | null
  /** The longest context that a live node has for `model`; null while none serves it. */
  contextTokens(model: string): number | null
  requestsOpen(): number
  /** Those that have not ended. */
  requests(): Iterable<RequestRun>
  /** Meter readings that are not in the ledger yet. */
  spoolLag(): number
  /** Runs once the directory was first loaded. */
  onReady(run: () => void): void
  close(): Promise<void>
}

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
  const offered = createOfferedLately(clock, directory, () => nodes)
  const sla = createSlaDesk(clock, {
    gatewayId,
    run: `${journal.id}:${journal.epoch}`,
    cellNowMs: directory.cellNowMs,
    onlyOwner: directory.onlyOwner,
    offered,
    append: (record) => isClosed || spool.append(record, () => undefined),
  })
  const telemetry = sla.listening(options.telemetry ?? noTelemetry)
  const readyListeners: (() => void)[] = []
  let isClosed = false

  const hosting = createHostingDesk(clock, directory)
  const receipts = createReceiptDesk(
    { bus, clock, crypto, log, secrets, directory },
    { gatewayId, keySecret, network: options.network ?? null },
  )
  const work =
    options.takesTasks === true ? createWorkPipe(host, { gatewayId, keySecret, onMade: receipts.made }) : null
  const proofs = createProofRelay(host, { gatewayId })
  const health = createHealthRelay({ bus, clock, directory }, () => nodes.recheck())
  const nodes = createNodeLinks(
    { bus, clock, crypto, log, secrets, directory },
    {
      gatewayId,
      incarnation: journal.epoch,
      ...(options.heartbeatMs === undefined ? {} : { heartbeatMs: options.heartbeatMs }),
      ...(options.network === undefined ? {} : { network: options.network }),
      hosting,
      receipts,
      ...(work && { work }),
      proofs,
      health,
      onAvailable: () => dispatcher.pump(),
      onUnknownNode: () => follower.poke(),
    },
  )
  const { reserve, settle } = slices
  const meter: RunHost['meter'] = (measured, done, kept) => {
    const record = receipts.stamp(sla.complete(measured))
    const metered = (sequence: number): void => {
      done(sequence)
      receipts.durable(record)
      options.onOutcome?.(record)
      telemetry.onOutcome(record)
    }
    spool.append(record, metered, kept)
  }
  const recounter = createRecounter({
    random,
    log,
    counters: options.counters ?? new Map(),
    serving: (model) => dispatcher.tableOf(model)?.seats.length ?? 0,
    onOverclaim: (nodeId, of) => audits.overclaimed(nodeId, of),
  })
  const audits = openAudits(host, {
    ...{ gatewayId, directory, nodes },
    ask: (request, sink) => void dispatcher.admit(request, sink),
  })
  const dispatcher: Dispatcher = createDispatcher({
    ...{ heartbeatMs: options.heartbeatMs, clock, random, log, nodes, directory },
    telemetry: measuringAgain(telemetry, health, nodes),
    money: {
      ...{ reserve, settle, meter, keepAnswer: recounter.keep },
      prepare: (request, place, of) => audits.prepare(request, place, of),
    },
  })
  const { tableOf } = dispatcher
  const news = () => hosting.news(nodes.all(), [...dispatcher.runs()].map(demandOf))
  const secretCheck = keySecretCheck(crypto, keySecret)
  const follower = startFollower({ bus, clock, log, directory, gatewayId, news }, (reply) => {
    if ((reply.keySecretCheck ?? secretCheck) !== secretCheck) return onFatal(otherSecret())
    budgets.tell(reply.keys.flatMap(({ budgetId, use }) => (budgetId && use ? [{ budgetId, ...use }] : [])))
    for (const { budgetId, promised = 0n } of reply.keys) if (budgetId) budgets.promise(budgetId, promised)
    budgets.followed(reply.gateways ?? 1)
    sla.mayTell(reply.takesTallies === true)
    for (const run of readyListeners.splice(0)) run()
    if (reply.wantsPresence) nodes.reportAll()
    // Nearly every reply says that nothing changed.
    if (reply.isComplete || reply.nodes.length > 0 || reply.models) nodes.recheck()
    else dispatcher.pump()
  })

  return {
    gatewayId,
    directory,
    nodes,
    work,
    authenticate: (apiKey) =>
      authenticate({ apiKey, directory, hash: (key) => hex(crypto.hmacSha256(keySecret, key)) }),
    callerOf(keyId) {
      const key = directory.keyById(keyId)
      return key ? callerWith(key) : null
    },
    batchRoom: dispatcher.batchRoom,
    kept: spool,
    limitHeaders: ({ limited }) => (limited ? budgets.headers(limited) : {}),
    limits: budgets,
    heldUp: sla.heldUp,
    admit(asked, sink, caller) {
      const request = caller?.slaClass ? { ...asked, slaClass: caller.slaClass } : asked
      const refusal =
        caller?.overLimit ??
        refuse(request) ??
        unfit(request, offeredTo(request, tableOf(request.engine.model)?.seats ?? []))
      if (refusal) return refused(request, refusal)
      const limited = caller?.limited
      const tokensMax = request.promptTokensMax + request.completionTokensMax
      const budget = limited ? budgets.admit(limited, tokensMax) : null
      if (budget instanceof Problem) return refused(request, budget)
      sla.begins(request, isFree(tableOf(request.engine.model)?.seats ?? []))
      const admitted = dispatcher.admit({ ...request, ...(budget && { budget }) }, sink)
      if (!(admitted instanceof Problem)) return admitted
      budget?.release()
      return refused(request, admitted)
    },
    requests: dispatcher.runs,
    spoolLag: () => spool.newest() - spool.acknowledged(),
    acceptLink: nodes.accept,
    models: () => liveModels(nodes.ready(), (nodeId) => directory.node(nodeId)?.nodeClass ?? 'community'),
    roomOf: dispatcher.roomOf,
    contextTokens: (model) => tableOf(model)?.contextTokensMax ?? null,
    requestsOpen: dispatcher.open,
    onReady(run) {
      if (directory.isLoaded()) run()
      else readyListeners.push(run)
    },
    async close() {
      isClosed = true
      for (const part of [dispatcher, follower, slices, sla, nodes, work]) part?.close()
      for (const part of [proofs, health, recounter, receipts, audits]) part.close()
      await spool.close()
    },
  }

  function refused(request: RunRequest, problem: Problem): Problem {
    const { requestId, organisationId } = request
    const { model } = request.engine
    sla.refused(request, problem.code, isFree(tableOf(model)?.seats ?? []))
    telemetry.onRefused({ requestId, model, organisationId, code: problem.code })
    return problem
  }

  function refuse({ engine: { model }, slaClass }: RunRequest): Problem | null {
    if (isClosed) return new Problem('unavailable', 'This gateway is stopping. Try again in a moment.')
    if (spool.isFull()) return tooLongAway()
    const isServed = tableOf(model) !== null
    if (isServed) offered.saw(model)
    const cold = hosting.ask(model, { isServed, waitMs: QUEUE_WAIT_MS, slaClass })
    if (cold !== 'not_ours') return cold
    if (isServed || [...nodes.ready()].some((node) => node.hasOffered(model)) || directory.knowsModel(model))
      return null
    return modelUnknown(model, nodes, directory)
  }
}

/** A node that has just joined is not known to everybody yet, and gets no work before its proof. */
function modelUnknown(model: string, nodes: NodeLinks, directory: Directory): Problem {
  const isProving = ({ nodeId }: NodeConnection): boolean =>
    directory.node(nodeId)?.barred?.code === 'unproven'
  if ([...nodes.all()].some((node) => node.hasOffered(model) && isProving(node)))
    return provingModelAnswer(model)
  const known = [...liveModels(nodes.ready()).keys()].slice(0, 10)
  const choice = known.length > 0 ? `It serves: ${known.join(', ')}.` : 'No node serves any model yet.'
  return new Problem('model_not_found', `No node of this network serves the model '${model}'. ${choice}`, {
    details: { param: 'model' },
  })
}

const tooLongAway = (): Problem =>
  new Problem(
    'unavailable',
    'The coordinator has been away for too long to meter more work. Try again later.',
  )

const isFree = (seats: readonly { offer: Offer }[]): boolean =>
  seats.length > 0 &&
  seats.every(({ offer: { price } }) => price.promptPerMillion === 0n && price.completionPerMillion === 0n)

const demandOf = ({ request, state }: RequestRun) => ({
  model: request.engine.model,
  isWaiting: state === 'waiting' || state === 'reserving',
})

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
  return callerWith(key)
}

function callerWith(key: FollowedKey): Caller {
  const { id: keyId, organisationId, scopes, limits, budgetId = keyId, slaClass } = key
  return {
    keyId,
    organisationId,
    scopes,
    ...(limits && { limited: { budgetId, limits } }),
    ...(slaClass && { slaClass }),
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
