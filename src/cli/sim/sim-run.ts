import { commonCauses } from '#economics/fleet/common-causes.ts'
import { liveFleet } from '#economics/fleet/fleet-months.ts'
import { type FleetOutlook, outlookOf, type UptimePromise } from '#economics/fleet/fleet-outlook.ts'
import type { FleetPlan } from '#economics/fleet/fleet-plan.ts'
import {
  chargeUsdOf,
  creditsUsdOf,
  rowOf,
  type SparesAnswer,
  searchSpares,
} from '#economics/fleet/spares-search.ts'
import { VERSION } from '#protocol/version.ts'
import { promisingClasses, tiers } from '#sla/tiers.ts'
import type { CliContext } from '../context.ts'
import { pageOf } from '../report-page.ts'
import { styleFor } from '../style.ts'
import { simHtml } from './sim-html.ts'
import { readQuestion, type SimOptions } from './sim-plan.ts'
import { formatSim } from './sim-report.ts'

/** What else could be done with the same machines and spares. */
export interface SimChange {
  readonly change: string
  readonly keptShare: number
  readonly totalUsd: number
}

export interface SimReport {
  readonly seed: number
  readonly plan: Omit<FleetPlan, 'kinds'>
  readonly fleet: string
  readonly pricePerHour: string
  readonly tier: SimOptions['tier']
  /** Shares of 1. */
  readonly target: number
  readonly goal: number
  readonly outlook: FleetOutlook
  /** USD a month, of all services together. */
  readonly chargesUsd: number
  readonly creditsUsd: number
  readonly spares: SparesAnswer
  readonly changes: readonly SimChange[]
  readonly assumptions: readonly string[]
}

/** The network's part of what customers pay, where nothing else is said. */
const FEE_SHARE = 0.1
const promises: readonly UptimePromise[] = promisingClasses.map((name) => ({
  name,
  targetPpb: tiers[name].targetPpb,
  credits: tiers[name].credits,
}))

/** Prints what the fleet keeps. Rejects with `Problem('invalid_request')` for a fleet that cannot be. */
export async function runSim(context: CliContext, options: SimOptions): Promise<void> {
  const report = simulateFleet(options)
  const { stdout, stderr, env } = context
  stdout.write(
    options.json ? `${JSON.stringify(report, null, 2)}\n` : `${formatSim(report, pageOf(context))}\n`,
  )
  if (options.html === undefined) return
  const day = new Date(context.clock.nowMs()).toISOString().slice(0, 10)
  await context.writeFile(options.html, simHtml(report, { day, version: VERSION }))
  stderr.write(`${styleFor(stderr, env)('dim', `Written: ${options.html}`)}\n`)
}

export function simulateFleet(options: SimOptions): SimReport {
  const { plan, about, priceFrom } = readQuestion(options)
  const { seed, tier, charge } = options
  const promise = promises.find(({ name }) => name === tier) as UptimePromise
  const chargeUsd = charge ?? chargeUsdOf(plan, FEE_SHARE)
  const goal = options.goal / 100
  const lived = liveFleet(plan, seed)
  const outlook = outlookOf(lived, plan, promises)
  const spares = searchSpares({ plan, seed, promise, goal, chargeUsd }, outlook.lossesPerMonth)
  const { kinds: _, ...told } = plan
  return {
    ...{ seed, plan: told, fleet: about, pricePerHour: priceFrom, tier, goal, outlook, spares },
    target: promise.targetPpb / 1e9,
    chargesUsd: (chargeUsd * plan.nodes) / plan.replicas,
    creditsUsd: creditsUsdOf(outlook, plan, { name: tier, chargeUsd }),
    changes: changesOf(plan).map(({ change, plan: changed }) => {
      const question = { plan: { ...changed, months: spares.months }, seed, promise, chargeUsd }
      const { keptShare, totalUsd } = rowOf(question)
      return { change, keptShare, totalUsd }
    }),
    assumptions: assumptionsOf(plan, charge === undefined),
  }
}

const FAST_MS = 10_000

function changesOf(plan: FleetPlan): { change: string; plan: FleetPlan }[] {
  const { nodes, replicas, replaceMs, isSpread, isCorrelated } = plan
  const services = nodes / replicas
  return [
    { change: 'as asked', plan },
    {
      change: `one copy more (${nodes + services} machines)`,
      plan: { ...plan, nodes: nodes + services, replicas: replicas + 1 },
    },
    ...(replaceMs > FAST_MS
      ? [{ change: 'spares that serve within 10 s', plan: { ...plan, replaceMs: FAST_MS } }]
      : []),
    ...(isCorrelated
      ? [
          isSpread
            ? { change: 'copies placed anywhere', plan: { ...plan, isSpread: false } }
            : { change: 'copies placed apart', plan: { ...plan, isSpread: true } },
          { change: 'if machines failed each for itself', plan: { ...plan, isCorrelated: false } },
        ]
      : []),
  ]
}

function assumptionsOf({ isCorrelated, machinesPerOwner }: FleetPlan, isChargeOurs: boolean): string[] {
  const { region, owner, version, blip } = commonCauses
  return [
    'A service is down while fewer copies than it needs serve. Requests that a lost machine had are not counted: the gateway continues them elsewhere.',
    'A lost machine comes back as its kind does and is a spare then; months follow one another.',
    ...(isCorrelated
      ? [region.about, ...(machinesPerOwner > 1 ? [owner.about] : []), version.about, blip.about]
      : ['Machines fail each for itself: no region, owner, version or power line takes several away.']),
    'The coordinator, the gateways and their network are taken to be there: what they lose comes on top.',
    ...(isChargeOurs
      ? ['Customers pay what their machines at work cost, and a fee of 10 % of the bill.']
      : []),
  ]
}
