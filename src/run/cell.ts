/**
 * One process of a cell. Embedded, coordinator and gateway share it, an in-process bus and one port. Outgrown, each is
 * a process of its own on a common bus, with the journal on a server: one coordinator leads and others stand by.
 */
import { join } from 'node:path'
import { type Coordinator, type CoordinatorOptions, openCoordinator } from '#coordinator/coordinator.ts'
import { type CoordinatorService, serveCoordinator } from '#coordinator/coordinator-service.ts'
import type { CoordinatorState } from '#coordinator/coordinator-state.ts'
import { type Standby, standBy } from '#coordinator/standby.ts'
import { createStandbyApi } from '#coordinator/standby-api.ts'
import type { Batches } from '#gateway/batches/batches.ts'
import { type Gateway, openGateway } from '#gateway/gateway.ts'
import type { NetworkIdentity } from '#gateway/network-prover.ts'
import type { Host, Journal, SharedJournals } from '#host/host.ts'
import type { SqlStore } from '#host/sql-store.ts'
import { assert } from '#kernel/assert.ts'
import { formatId, ID_BYTES } from '#kernel/id.ts'
import type { Problem } from '#protocol/problem.ts'
import { type AuditorCall, createAuditorCall } from './auditor-call.ts'
import type { CellConfig, TokenOwner } from './cell-config.ts'
import type { CellTelemetry } from './cell-telemetry.ts'
import { type CoordinatorHalf, openCoordinatorHalf } from './coordinator-half.ts'
import type { Front } from './front.ts'
import { checkKeySecret, keepKeySecret, needKeySecret, noteKeySecret } from './key-secret.ts'
import { leaderProxy } from './leader-proxy.ts'
import { keepNetworkKey } from './network-key.ts'
import { openAlerts } from './open-alerts.ts'
import { openInspection } from './open-inspection.ts'
import { createReach } from './reach.ts'
import { serveBatches } from './serve-batches.ts'
import { blobHooks, type ServedBlobs, serveBlobs } from './serve-blobs.ts'
import { type ServedChecks, serveChecks } from './serve-checks.ts'
import { openCounters } from './tokenizers.ts'

export interface CellReady {
  readonly apiUrl: string
  readonly openaiBaseUrl: string
  /** Where agents and clients elsewhere reach it; the others are for this machine. */
  readonly publicUrl: string
  readonly port: number
  readonly localPort: number
  /** The founder's keys; null where another machine has them. */
  readonly keys: KeptKeys | null
}

export interface Cell {
  /** Resolves when it serves; a coordinator that stands by may take for ever. Rejects when it never can. */
  readonly ready: Promise<CellReady>
  /** A fresh single-use token for a node; null without a leading coordinator here. */
  enrolmentToken(owner: TokenOwner): Promise<string | null>
  /** The agent that was called by `onAuditorsWanted` cannot begin: nothing waits for it. */
  auditorFailed(): void
  /** Lets what runs end for `graceMs`, then closes everything in order. */
  close(graceMs: number): Promise<void>
}

export interface CellParts {
  readonly host: Host
  /** The journals on a server; null where the journal is in the data folder. */
  readonly sharedJournals: SharedJournals | null
  readonly openStore: () => SqlStore
  /** Keeps the keys that the command line on this machine uses; null when there are none yet. */
  readonly credentials: { read(): KeptKeys | null; write(kept: KeptCredentials): void }
  readonly processId: number
  /** Told when this process waits for its turn to lead. */
  readonly onStandby: (holder: string, apiUrl: string | null) => void
  /** There are jobs whose results may have to be checked. Told once. */
  readonly onAuditorsWanted?: () => void
  /** Who watches what this process does; nobody unless given. */
  readonly telemetry?: CellTelemetry
  /** The process must die at once. */
  readonly onFatal: (problem: Problem) => void
  readonly onBug: (error: unknown) => void
}
export interface KeptKeys {
  readonly apiKey: string
  readonly operatorKey: string
}
export type KeptCredentials = KeptKeys & { readonly apiUrl: string; readonly openaiBaseUrl: string }

const SNAPSHOT_EVERY = 20_000
/** Leading from the start takes less. */
const STANDBY_TOLD_AFTER_MS = 1_000

/** What of a cell is open in this process, closed in this order. */
interface Opened {
  readonly auditor: AuditorCall
  front?: Front
  batches?: Batches
  blobs?: ServedBlobs
  checks?: ServedChecks
  gateway?: Gateway
  half?: CoordinatorHalf
  alerts?: { close(): void }
  service?: CoordinatorService
  standby?: Standby
}

export function openCell(parts: CellParts, config: CellConfig): Cell {
  const { onAuditorsWanted = () => undefined } = parts
  const hasReference = config.hasReference === true
  const opened: Opened = { auditor: createAuditorCall(onAuditorsWanted, { hasReference }) }
  const open = { cell: openWhole, coordinator: openCoordinatorAlone, gateway: openGatewayAlone }[config.role]
  const ready = open(parts, config, opened)
  return {
    ready,
    enrolmentToken: async (owner) => (await opened.half?.enrolmentToken(owner)) ?? null,
    auditorFailed: () => opened.auditor.failed(),
    async close(graceMs) {
      // What waits for its turn to lead is told first, and the rest opens no further.
      if (!opened.service) await opened.standby?.close()
      else await ready.catch(() => undefined)
      // Nodes lose their links by what follows, and go on with what they have at the next start.
      opened.service?.stopReviews()
      await opened.front?.close(graceMs)
      await opened.checks?.close()
      opened.blobs?.close()
      await opened.batches?.close()
      await opened.gateway?.close()
      opened.half?.stop()
      opened.alerts?.close()
      // Gives the lease back: whoever stands by leads from now on.
      await opened.service?.close()
      await opened.half?.close()
      await parts.telemetry?.close()
    },
  }
}

async function openWhole(parts: CellParts, config: CellConfig, opened: Opened): Promise<CellReady> {
  const { host } = parts
  // Both journals open at once: a restart is as long as the slower of them.
  const spool = openSpool(host)
  const coordinator = await (parts.sharedJournals
    ? leadInTurn({ parts, config, opened }, parts.sharedJournals)
    : openCoordinator(host, coordinatorOptions(parts)))
  const secret = keepKeySecret(host, coordinator.state)
  const keySecret = secret.text
  const networkKeys = keepNetworkKey(host, coordinator.sequence() === 0 || parts.sharedJournals === null)
  // Before the gateway hears of it, and after the network has all that it cannot make anew.
  await noteKeySecret(coordinator, host, secret)
  const reach = createReach(host, config.listen, parts.telemetry)
  opened.alerts = openAlerts(host, coordinator, config)
  const { auditor } = opened
  const { inspect, inspection } = openInspection({ ...host, isReferenceCalled: () => auditor.isOnItsWay() })
  opened.service = serveCoordinator(host, coordinator, {
    ...config,
    nodeProofs: proofsOf(config),
    auditsAnswers: auditsAnswers(config),
    receipts: { networkKey: networkKeys.publicKeyHex, keySecret },
    inspect,
  })
  const gateway = await openGatewayOn(parts, config, spool, {
    keySecret,
    network: reach.identity(networkKeys),
  })
  opened.gateway = gateway
  await new Promise<void>((resolve) => gateway.onReady(resolve))
  const front = await reach.open(gateway)
  opened.front = front
  opened.batches = await serveBatches(parts, config, { gateway, front })
  opened.blobs = serveBlobs(host, { ...config, keySecret }, { gateway, front }, blobHooks(host, gateway))
  opened.checks = serveChecks({ ...host, vault: opened.blobs.vault })
  const live = {
    processId: parts.processId,
    requestsOpen: gateway.requestsOpen,
    requestsUnbilled: gateway.spoolLag,
  }
  const { models, desk } = opened.service
  const ordered = opened.standby?.ordered() ?? null
  const known = {
    ...{ coordinator, models, desk, keySecret, networkKeys, reach, front, live, ordered },
    inspection: inspection(),
  }
  const half = await openCoordinatorHalf(parts, known, config)
  opened.half = half
  front.serveApi(async (request) => half.api.fetch(request))
  auditor.watch(coordinator)
  return readyAt(front, half.keys)
}

async function openCoordinatorAlone(
  parts: CellParts,
  config: CellConfig,
  opened: Opened,
): Promise<CellReady> {
  const { host, sharedJournals, onBug } = parts
  assert(sharedJournals, 'a coordinator of its own has its journal on a server')
  const reach = createReach(host, config.listen, parts.telemetry)
  // Calls come by way of gateways, which say for whom.
  const front = await reach.open(null, { believesForwarders: true })
  opened.front = front
  const { ownUrl, publicUrl } = front
  const coordinator = await leadInTurn({ parts, config, opened }, sharedJournals, (standby) => {
    const { networkName } = config
    const api = createStandbyApi(
      { ...host, networkName, keySecret: keepKeySecret(host, standby.state).text, standby },
      { openAiBaseUrl: `${publicUrl}/v1`, onBug, ...reach.names() },
    )
    front.serveApi(async (request) => api.fetch(request))
    return ownUrl
  })
  const secret = keepKeySecret(host, coordinator.state)
  const keySecret = secret.text
  const networkKeys = keepNetworkKey(host, coordinator.sequence() === 0)
  await noteKeySecret(coordinator, host, secret)
  opened.alerts = openAlerts(host, coordinator, config)
  const { inspect, inspection } = openInspection(host)
  opened.service = serveCoordinator(host, coordinator, {
    feeBps: config.feeBps,
    apiUrl: ownUrl,
    nodeProofs: proofsOf(config),
    auditsAnswers: auditsAnswers(config),
    receipts: { networkKey: networkKeys.publicKeyHex, keySecret },
    inspect,
  })
  const { models, desk } = opened.service
  const known = {
    coordinator,
    models,
    desk,
    keySecret,
    networkKeys,
    reach,
    front,
    live: null,
    inspection: inspection(),
    ordered: opened.standby?.ordered() ?? null,
  }
  const half = await openCoordinatorHalf(parts, known, config)
  opened.half = half
  front.serveApi(async (request) => half.api.fetch(request))
  return readyAt(front, half.keys)
}

async function openGatewayAlone(parts: CellParts, config: CellConfig, opened: Opened): Promise<CellReady> {
  const { host } = parts
  const reach = createReach(host, config.listen, parts.telemetry)
  const network = reach.identity(keepNetworkKey(host, false))
  const gateway = await openGatewayOn(parts, config, openSpool(host), {
    keySecret: needKeySecret(host),
    network,
  })
  opened.gateway = gateway
  const front = await reach.open(gateway)
  opened.front = front
  opened.batches = await serveBatches(parts, config, { gateway, front })
  if (config.worker) await front.joinWorkers(config.worker)
  else {
    const known = { ...config, keySecret: needKeySecret(host) }
    opened.blobs = serveBlobs(host, known, { gateway, front }, blobHooks(host, gateway))
    opened.checks = serveChecks({ ...host, vault: opened.blobs.vault })
  }
  const { leaderUrl } = gateway.directory
  front.serveApi(leaderProxy({ clock: host.clock, network: host.network, leaderUrl, guard: reach.names() }))
  return readyAt(front, null)
}

const auditsAnswers = ({ answerAudits }: CellConfig): boolean => answerAudits !== 'off'
const proofsOf = ({ nodeProofs = 'required' }: CellConfig) => ({ isRequired: nodeProofs === 'required' })

const readyAt = ({ url, publicUrl, port, localPort }: Front, keys: KeptKeys | null): CellReady => ({
  apiUrl: url,
  openaiBaseUrl: `${url}/v1`,
  publicUrl,
  port,
  localPort,
  keys,
})

const coordinatorOptions = ({ onFatal }: CellParts): CoordinatorOptions => ({
  onFatal,
  snapshotEvery: SNAPSHOT_EVERY,
})

/** Follows the journal on the server until this process may lead: at once, when nobody else does. */
async function leadInTurn(
  { parts, config, opened }: { parts: CellParts; config: CellConfig; opened: Opened },
  journals: SharedJournals,
  serve: (standby: Standby) => string | null = () => null,
): Promise<Coordinator> {
  const { predecessor } = config
  const { crypto, secrets } = parts.host
  // A secret of its own would shut every key out that the network has given.
  const check = (state: CoordinatorState): void => {
    const kept = secrets.read('key-secret')
    if (kept !== null) checkKeySecret(kept, { crypto }, state)
  }
  const options = { ...coordinatorOptions(parts), predecessor, check }
  const standby = await standBy({ ...parts.host, journals }, options)
  opened.standby = standby
  if (standby.leader().lastSequence > 0) checkKeySecret(needKeySecret(parts.host), parts.host, standby.state)
  const apiUrl = serve(standby)
  const timer = parts.host.clock.after(STANDBY_TOLD_AFTER_MS, () =>
    parts.onStandby(standby.leader().holder, apiUrl),
  )
  try {
    return await standby.led
  } finally {
    timer.cancel()
  }
}

function openSpool(host: Host): Promise<Journal> {
  const spool = host.journals.open('spool')
  spool.catch(() => undefined) // Whoever awaits it below hears of its failure.
  return spool
}

async function openGatewayOn(
  { host, onFatal, telemetry }: CellParts,
  { tokenizers = {}, worker }: CellConfig,
  spool: Promise<Journal>,
  known: { keySecret: string; network: NetworkIdentity },
): Promise<Gateway> {
  const gateway = await openGateway(
    { ...host, journals: { open: () => spool } },
    {
      gatewayId: gatewayIdOf(host),
      ...known,
      onFatal,
      counters: openCounters(tokenizers, host),
      // Several processes on one port would each know a part of the files.
      takesTasks: worker === undefined,
      ...(telemetry && { telemetry: telemetry.gateway }),
    },
  )
  telemetry?.watchGateway(gateway)
  return gateway
}

function gatewayIdOf({ secrets }: Host): string {
  const kept = secrets.read('gateway-id')
  if (kept !== null) return kept
  const made = formatId('gateway', secrets.randomBytes(ID_BYTES))
  secrets.write('gateway-id', made)
  return made
}

/** Where a cell keeps what its machine's command line needs. */
export const credentialsFile = (dataFolder: string): string => join(dataFolder, 'credentials.json')
