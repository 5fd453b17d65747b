/** What hangs on a leading coordinator: read models, control API, the founder's keys. */
import { authenticatorOf, createControlApi } from '#coordinator/control-api.ts'
import type { ControlServer } from '#coordinator/control-server.ts'
import type { Coordinator } from '#coordinator/coordinator.ts'
import { foundNetwork } from '#coordinator/found-network.ts'
import { act, actAsNetwork } from '#coordinator/handlers/act.ts'
import { execute, type HandlerParts, hashSecret, newId } from '#coordinator/handlers/handler-parts.ts'
import { openJobs } from '#coordinator/handlers/open-jobs.ts'
import { mintKey } from '#coordinator/mint-key.ts'
import type { ModelFleet } from '#coordinator/model-fleet.ts'
import { makeJoinToken } from '#coordinator/network-proof.ts'
import { openProjector } from '#coordinator/read-models/projector.ts'
import { createQueries } from '#coordinator/read-models/queries.ts'
import { openReference } from '#coordinator/reference.ts'
import type { TakeoverOrder } from '#coordinator/standby.ts'
import { serveBlobRoots } from '#coordinator/work/blob-roots.ts'
import type { FullInspection } from '#coordinator/work/inspection.ts'
import { createQuoteDesk } from '#coordinator/work/quotes.ts'
import { RENDER_PRICE_DEFAULT } from '#coordinator/work/render-price.ts'
import type { WorkDesk } from '#coordinator/work/work-desk.ts'
import type { KeyPair } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { secretOf } from '#protocol/join-token.ts'
import { Problem } from '#protocol/problem.ts'
import type { Caller } from '#protocol/route.ts'
import type { Scope } from '#protocol/scope.ts'
import { joinLimitsDefault } from '#verify/hardware/join-limits.ts'
import type { CellParts, KeptKeys } from './cell.ts'
import type { CellConfig, TokenOwner } from './cell-config.ts'
import type { Front } from './front.ts'
import { openPublicPages } from './public-pages.ts'
import type { Reach } from './reach.ts'
import { openRenderScores } from './render-scores.ts'

export interface CoordinatorHalf {
  readonly api: ControlServer
  /** The founder's keys; null where another machine founded the network and has them. */
  readonly keys: KeptKeys | null
  enrolmentToken(owner: TokenOwner): Promise<string>
  /** Reads no more of the journal, which may then be closed. */
  stop(): void
  /** After `stop`. */
  close(): Promise<void>
}

export interface CoordinatorHalfOptions {
  readonly coordinator: Coordinator
  readonly models: ModelFleet
  /** Who looks at results of jobs. */
  readonly inspection: FullInspection
  /** Where nodes work for jobs. */
  readonly desk: WorkDesk
  /** The network's secret, under which API keys are hashed. */
  readonly keySecret: string
  /** The network's own key, by which agents know it. */
  readonly networkKeys: KeyPair
  readonly reach: Pick<Reach, 'names' | 'identity' | 'certificate'>
  readonly front: Pick<Front, 'url' | 'publicUrl'>
  /** Who told this process to lead, if it was told. */
  readonly ordered: TakeoverOrder | null
  /** The gateway in this process, if there is one. */
  readonly live: HandlerParts['live']
}

const LOCAL_TOKEN_TTL_MS = 10 * 60_000

/** Opens them for a coordinator that leads. */
export async function openCoordinatorHalf(
  parts: CellParts,
  options: CoordinatorHalfOptions,
  config: CellConfig,
): Promise<CoordinatorHalf> {
  const { host, onBug } = parts
  const { clock, crypto, secrets, log } = host
  const { coordinator, keySecret, reach, live } = options
  const { url, publicUrl } = options.front
  const store = parts.openStore()
  const projector = openProjector({ journal: coordinator.journal, store, clock, log })
  coordinator.onDurable((sequence) => projector.notify(sequence))
  const queries = createQueries(store)
  const { inspection } = options
  const { desk } = options
  const quoteDesk = createQuoteDesk({
    ...{ desk, coordinator, clock, crypto },
    pricePerHour: config.renderPrice ?? RENDER_PRICE_DEFAULT,
    newJobId: () => newId('job', { secrets }),
    renderScore: openRenderScores(),
  })
  const roots = serveBlobRoots({
    ...{ bus: host.bus, clock, log, coordinator, projector, queries },
    quotedInputs: quoteDesk.inputRootsOf,
  })
  const jobs = openJobs({ coordinator, desk, clock, inspection, quoteDesk })
  const handlerParts: HandlerParts = {
    coordinator,
    jobs,
    models: options.models,
    clock,
    crypto,
    secrets,
    log,
    projector,
    queries,
    networkName: config.networkName,
    feeBps: config.feeBps,
    ...(config.payoutMin !== undefined && { payoutMin: config.payoutMin }),
    joinLimits: config.joinLimits ?? joinLimitsDefault,
    keySecret,
    apiUrl: publicUrl,
    network: reach.identity(options.networkKeys),
    certificate: reach.certificate,
    dataFolder: config.dataFolder,
    processId: parts.processId,
    live,
    ...(parts.telemetry && { gatewaysLive: parts.telemetry.gatewaysLive }),
  }
  const authenticate = authenticatorOf(coordinator.state, handlerParts, coordinator.nowMs)
  parts.telemetry?.watchCoordinator({
    coordinator,
    desk: options.desk,
    projector,
    isOperator: (key, address) => isOperatorKey(() => authenticate(key, address)),
  })
  const api = createControlApi(handlerParts, {
    openAiBaseUrl: `${publicUrl}/v1`,
    ...reach.names(),
    onBug,
    ...openPublicPages(clock),
  })
  const organisationId = await execute(handlerParts, (turn) =>
    foundNetwork(turn, {
      organisationId: newId('org', handlerParts),
      name: config.networkName,
      testBalance: config.testBalance,
    }),
  )
  // Only now is there a journal of its own to write it to.
  if (options.ordered) await act(handlerParts, options.ordered, { isOutside: true }, () => undefined)
  const keys = await keepKeys(handlerParts, { config, kept: parts.credentials.read(), organisationId })
  if (keys) parts.credentials.write({ apiUrl: url, openaiBaseUrl: `${url}/v1`, ...keys })
  return {
    api,
    keys,
    enrolmentToken: async (owner) =>
      issueToken(handlerParts, owner === 'founder' ? organisationId : await keepReference(handlerParts)),
    stop() {
      jobs.news.close()
      quoteDesk.close()
      roots.close()
      projector.close()
    },
    close: () => store.close(),
  }
}

/**
 * The founder's keys as they were kept, as far as they still open what they should; new ones in place of the others.
 * Null on a machine that never had any, of a network that has an operator already.
 */
async function keepKeys(
  parts: HandlerParts,
  known: { config: CellConfig; kept: KeptKeys | null; organisationId: string },
): Promise<KeptKeys | null> {
  const { config, kept, organisationId } = known
  const { organisations } = parts.coordinator.state
  const hasOperator = [...organisations.keys.values()].some(
    (key) => key.revokedAtMs === null && key.scopes.includes('operator'),
  )
  if (config.role === 'coordinator' && kept === null && hasOperator) return null
  const works = (key: string | undefined): key is string =>
    key !== undefined && organisations.keyIdByHash.has(hashSecret(key, parts))
  const keyFor = (key: string | undefined, name: string, scopes: Scope[]): Promise<string> =>
    works(key)
      ? Promise.resolve(key)
      : actAsNetwork(
          parts,
          'createKey',
          { organisationId, details: { name, scopes: scopes.join(' ') } },
          (turn, doing) => {
            const { key, keyId } = mintKey(turn, parts, { organisationId, name, scopes })
            doing.objectId = keyId
            return key
          },
        )
  return {
    apiKey: await keyFor(kept?.apiKey, 'first key', ['developer']),
    operatorKey: await keyFor(kept?.operatorKey, 'operator', ['operator']),
  }
}

function isOperatorKey(find: () => Caller | null): boolean {
  try {
    return find()?.scopes.includes('operator') === true
  } catch (error) {
    if (error instanceof Problem) return false // Not from that address.
    throw error
  }
}

/** The operator's own organisation for checking, opened the first time. */
function keepReference(parts: HandlerParts): Promise<string> {
  return execute(parts, (turn) => {
    const opened = openReference(turn, newId('org', parts))
    assert(
      turn.state.organisations.organisations.has(opened),
      `the reference can be opened, and not ${opened}`,
    )
    return opened
  })
}

function issueToken(parts: HandlerParts, organisationId: string): Promise<string> {
  const token = makeJoinToken(parts)
  return actAsNetwork(parts, 'createEnrolmentToken', { organisationId }, (turn) => {
    const { nowMs } = turn
    const tokenHash = hashSecret(secretOf(token), parts)
    turn.fleet({
      kind: 'issue_token',
      tokenHash,
      organisationId,
      expiresAtMs: nowMs + LOCAL_TOKEN_TTL_MS,
      nowMs,
    })
    return token
  })
}
