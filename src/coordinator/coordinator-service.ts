import type { Host } from '#host/host.ts'
import { subjects } from '#protocol/cell.ts'
import { serveCell } from './cell-service.ts'
import { type Coordinator, type CoordinatorOptions, openCoordinator } from './coordinator.ts'
import { createFeed } from './feed.ts'
import { createGateways, forgetOld, keepHouse } from './gateways.ts'
import { type ProofDeskOptions, serveProofs } from './hardware/proof-desk.ts'
import { createModelFleet, type ModelFleet } from './model-fleet.ts'
import { type ReceiptServiceOptions, serveReceipts } from './receipts/serve-receipts.ts'
import { createReputationDesk } from './reputation/reputation-desk.ts'
import { closeMonths } from './sla/close-month.ts'
import { stepSla } from './sla/step-sla.ts'
import { serveWork, type WorkServiceParts } from './work/serve-work.ts'
import type { WorkDesk } from './work/work-desk.ts'

export interface CoordinatorService {
  readonly coordinator: Coordinator
  readonly models: ModelFleet
  readonly desk: WorkDesk
  /** This process begins to close: that nodes fall silent is its own doing, and costs them nothing that they have. */
  stopReviews(): void
  close(): Promise<void>
}

export interface CoordinatorServiceOptions extends CoordinatorOptions {
  /** The network's part of each request, in hundredths of a percent. */
  readonly feeBps: number
  /** Where gateways in other processes find this coordinator's own API. */
  readonly apiUrl?: string
  /** Answers of nodes are looked at by others, and pay stands in for those that are not; `false` unless given. */
  readonly auditsAnswers?: boolean
  /** Whether nodes prove their hardware before they get work, and how they are asked; as it was unless given. */
  readonly nodeProofs?: ProofDeskOptions & { readonly isRequired: boolean }
  /** By what receipts are known to be this network's; without it none are kept. */
  readonly receipts?: ReceiptServiceOptions
  /** Who looks at results of jobs; nobody unless given. */
  readonly inspect?: WorkServiceParts['inspect']
}

const TICK_MS = 1_000
const FORGET_EVERY_TICKS = 60
/**
 * After a start no hold expires for this long, however old it is: its gateway may have served on while this
 * coordinator was away and first brings in what it owes.
 */
const HOLDS_SAFE_MS = 60_000

/** A coordinator that serves its cell over the bus and keeps its house by the clock. */
export async function openCoordinatorService(
  host: Host,
  options: CoordinatorServiceOptions,
): Promise<CoordinatorService> {
  return serveCoordinator(host, await openCoordinator(host, options), options)
}

/** As `openCoordinatorService`, for a coordinator that leads already. */
export function serveCoordinator(
  host: Pick<Host, 'bus' | 'clock' | 'crypto' | 'log' | 'secrets'>,
  coordinator: Coordinator,
  options: Pick<
    CoordinatorServiceOptions,
    'feeBps' | 'apiUrl' | 'inspect' | 'nodeProofs' | 'auditsAnswers' | 'receipts'
  >,
): CoordinatorService {
  const { bus, clock, log } = host
  const startedMs = clock.elapsedMs()
  const heardSinceMs = coordinator.nowMs()
  const gateways = createGateways(startedMs)
  const { feeBps, auditsAnswers = false } = options
  const feed = createFeed(coordinator, options.apiUrl, { auditsAnswers })
  const models = createModelFleet(coordinator.state)
  const reputation = createReputationDesk(coordinator.state)
  coordinator.onEvent(reputation.note)
  const service = serveCell({
    bus,
    clock,
    log,
    coordinator,
    gateways,
    feed,
    models,
    reputation,
    feeBps,
    auditsAnswers,
  })
  const { inspect } = options
  const work = serveWork({ bus, clock, log, coordinator, feeBps, ...(inspect && { inspect }) })
  const receipts = options.receipts
    ? serveReceipts({ ...host, coordinator, feeBps, ...options.receipts })
    : null
  const { nodeProofs } = options
  const proofs = nodeProofs ? serveProofs({ ...host, coordinator, gateways, ...nodeProofs }) : null
  if (nodeProofs) {
    const { isRequired } = nodeProofs
    coordinator.execute((turn) => turn.hardware({ kind: 'set_policy', isRequired, nowMs: turn.nowMs }))
  }
  const announce = () =>
    bus.publish(subjects.changed, `${coordinator.sequence()} ${coordinator.journal.epoch}`)
  let announced = 0
  coordinator.onDurable(() => {
    if (feed.newest() === announced) return
    announced = feed.newest()
    announce()
  })

  let isClosed = false
  let ticks = 0
  function tick(): void {
    if (isClosed) return
    const elapsedMs = clock.elapsedMs()
    coordinator.execute(
      (turn) => {
        gateways.giveUpSilent(turn, elapsedMs)
        models.step(turn)
        proofs?.step(turn)
        reputation.step(turn)
        keepHouse(turn, { mayExpireHolds: elapsedMs - startedMs >= HOLDS_SAFE_MS })
        stepSla(turn, heardSinceMs)
        if (ticks++ % FORGET_EVERY_TICKS !== 0) return
        forgetOld(turn)
        closeMonths(turn)
      },
      () => {},
    )
    clock.after(TICK_MS, tick)
  }
  clock.after(TICK_MS, tick)
  announce()

  return {
    coordinator,
    models,
    desk: work.desk,
    stopReviews: work.stopReviews,
    async close() {
      isClosed = true
      work.close()
      receipts?.close()
      proofs?.close()
      service.close()
      await coordinator.close()
    },
  }
}
