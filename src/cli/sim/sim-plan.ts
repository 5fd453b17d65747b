/** What the options of `shoal sim` mean: a fleet to simulate, and the questions about it. */
import { MONTH_HOURS } from '#economics/fleet/fleet-hours.ts'
import type { FleetKind, FleetPlan } from '#economics/fleet/fleet-plan.ts'
import { LIFETIME_FORMS, parseLifetime } from '#economics/fleet/lifetimes.ts'
import {
  type Churn,
  type FleetName,
  fleetNames,
  namedFleets,
  ownChurn,
} from '#economics/fleet/named-fleets.ts'
import { createRandom } from '#kernel/random.ts'
import { Problem } from '#protocol/problem.ts'
import type { GlobalOptions } from '../credentials.ts'

export interface SimOptions extends GlobalOptions {
  readonly nodes: number
  readonly fleet: string
  readonly up?: string
  readonly down?: string
  readonly replicas: number
  readonly needs: number
  readonly spares: number
  readonly replace: number
  readonly months: number
  readonly tier: 'standard' | 'business' | 'enterprise'
  readonly goal: number
  readonly perOwner: number
  readonly regions: number
  readonly versions: number
  readonly independent?: boolean
  readonly placement: 'apart' | 'anywhere'
  readonly price?: number
  readonly charge?: number
  readonly seed: number
  readonly html?: string
}

export interface SimQuestion {
  readonly plan: FleetPlan
  /** What the machines are, for people. */
  readonly about: string
  /** Where their price is from. */
  readonly priceFrom: string
}

/** Without a price: what such a card asks on the simulated network. */
const OWN_USD_PER_HOUR = namedFleets.dedicated.usdPerHour

/** Machine-months times services: beyond it a run takes minutes and gigabytes. */
const CELLS_MAX = 20_000_000

/** How often machines may leave in a run: more take longer than half an hour. */
const LOSSES_MAX = 200_000_000
const LIVES_DRAWN = 1_000

/** Throws `Problem('invalid_request')` for what cannot be. */
export function readQuestion(options: SimOptions): SimQuestion {
  const { nodes, replicas, needs, spares, months, price } = options
  if (nodes % replicas !== 0)
    throw refused(
      `${nodes} machines do not make services of ${replicas} copies each: give --nodes a multiple of --replicas, such as ${Math.ceil(nodes / replicas) * replicas}.`,
    )
  if (needs > replicas)
    throw refused(
      `A service of ${replicas} copies never has the ${needs} that --needs asks for: at most ${replicas}.`,
    )
  if ((nodes / replicas) * months > CELLS_MAX)
    throw refused(
      `${months} months of ${nodes / replicas} services are more than the ${CELLS_MAX} that fit: give fewer --months.`,
    )
  const { kinds, about, priceFrom } = readKinds(options)
  const losses = (nodes + spares) * months * lossesPerMonth(kinds, options.seed)
  if (losses > LOSSES_MAX)
    throw refused(
      `In ${months} months ${nodes + spares} such machines leave some ${Math.round(losses / 1e6)} million times, and ${LOSSES_MAX / 1e6} million fit: give fewer --months or --nodes.`,
    )
  return {
    about,
    priceFrom: price === undefined ? priceFrom : 'as given',
    plan: {
      kinds: kinds.map((kind) => ({ ...kind, usdPerHour: price ?? kind.usdPerHour })),
      ...{ nodes, spares, replicas, needs, months },
      replaceMs: options.replace,
      machinesPerOwner: options.perOwner,
      regions: options.regions,
      versions: options.versions,
      isCorrelated: options.independent !== true,
      isSpread: options.placement === 'apart',
    },
  }
}

/** Of one machine of the fleet, from a look at how long such ones stay. */
function lossesPerMonth(kinds: readonly FleetKind[], seed: number): number {
  const random = createRandom(seed)
  const weights = kinds.reduce((sum, { weight }) => sum + weight, 0)
  return kinds.reduce((sum, { churn, weight }) => {
    let hours = 0
    for (let life = 0; life < LIVES_DRAWN; life++) hours += churn.up(random) + churn.down(random)
    return sum + (weight / weights) * MONTH_HOURS * (LIVES_DRAWN / hours)
  }, 0)
}

const refused = (message: string): Problem => new Problem('invalid_request', message)

function readKinds({ fleet, up, down }: SimOptions): Omit<SimQuestion, 'plan'> & { kinds: FleetKind[] } {
  const names = readFleet(fleet)
  if (up === undefined && down === undefined) return namedKinds(names)
  const [first] = names
  const isNamed = names.length === 1 && first !== undefined
  if (up === undefined && !isNamed)
    throw refused(
      `--down alone changes one kind of machine, not "${fleet}": name one with --fleet, or give --up, too.`,
    )
  const base: Churn = namedFleets[first?.name ?? 'dedicated']
  const churn = {
    // The lifetimes are what is measured: what makes a named fleet leave sooner is in its own alone.
    ...(up === undefined ? base : ownChurn(base)),
    ...(up !== undefined && { up: readLifetime('--up', up) }),
    ...(down !== undefined && { down: readLifetime('--down', down) }),
  }
  const about = [`up ${up ?? `as ${fleet}`}`, `down ${down ?? `as ${isNamed ? first.name : 'dedicated'}`}`]
  return {
    kinds: [{ churn, usdPerHour: OWN_USD_PER_HOUR, weight: 1 }],
    about: about.join(', '),
    priceFrom: `${OWN_USD_PER_HOUR} USD, ${namedFleets.dedicated.asks}`,
  }
}

function readLifetime(option: string, text: string) {
  const lifetime = parseLifetime(text)
  if (lifetime) return lifetime
  throw refused(`${option} ${text} is no lifetime. There are: ${LIFETIME_FORMS}.`)
}

interface Weighted {
  readonly name: FleetName
  readonly weight: number
}

const isFleet = (name: string): name is FleetName => (fleetNames as readonly string[]).includes(name)

function readFleet(text: string): Weighted[] {
  if (text === 'mix') return fleetNames.map((name) => ({ name, weight: namedFleets[name].share }))
  const parts = text.split(',').map((part) => {
    const [, name = '', weight = '1'] = /^([a-z]+)(?::(\d{1,6}(?:\.\d{1,3})?))?$/.exec(part.trim()) ?? []
    return { name, weight: Number(weight) }
  })
  const known = parts.filter((part): part is Weighted => isFleet(part.name) && part.weight > 0)
  if (known.length === parts.length && new Set(known.map(({ name }) => name)).size === known.length)
    return known
  throw refused(
    `--fleet ${text} is none: there are ${fleetNames.join(', ')} and mix, or several once each with weights, as dedicated:3,gaming:1.`,
  )
}

function namedKinds(names: readonly Weighted[]): Omit<SimQuestion, 'plan'> & { kinds: FleetKind[] } {
  const kinds = names.map(({ name, weight }) => ({
    churn: namedFleets[name],
    usdPerHour: namedFleets[name].usdPerHour,
    weight,
  }))
  const sum = names.reduce((all, { weight }) => all + weight, 0)
  const about = names.map(({ name, weight }) =>
    names.length === 1 ? name : `${Math.round((100 * weight) / sum)} % ${name}`,
  )
  const prices = names.map(
    ({ name }) => `${namedFleets[name].usdPerHour} USD (${name}: ${namedFleets[name].asks})`,
  )
  return { kinds, about: about.join(', '), priceFrom: prices.join(', ') }
}
