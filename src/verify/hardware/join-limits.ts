/**
 * How fast strangers come in. A node that has done no verified work counts for a day: against its owner, and against the
 * network that it came from. What they would win by coming in thousands they then cannot have.
 */
import { DAY_MS, type TimestampMs } from '#kernel/time.ts'
import type { Join } from './hardware.ts'

export interface JoinLimits {
  /** Of one owner within a day, before their first verified work. */
  readonly perOwner: number
  /** Of one network (IPv4 /24, IPv6 /48) within a day, before their first verified work. */
  readonly perNetwork: number
}

export const joinLimitsDefault: JoinLimits = { perOwner: 20, perNetwork: 3 }
export const JOIN_WINDOW_MS = DAY_MS

/** In order of precedence. */
export type JoinRefusal = 'owner_joins_too_many' | 'network_joins_too_many'

export function joinRefusal(
  joins: ReadonlyMap<string, Join>,
  asked: {
    readonly organisationId: string
    readonly network: string | null
    readonly limits: JoinLimits
    readonly hasWorked: (nodeId: string) => boolean
    readonly nowMs: TimestampMs
  },
): JoinRefusal | null {
  const { organisationId, network, limits, hasWorked, nowMs } = asked
  let ofOwner = 0
  let ofNetwork = 0
  for (const [nodeId, join] of joins) {
    const isOwners = join.organisationId === organisationId
    const isNetworks = network !== null && join.network === network
    if (!(isOwners || isNetworks) || join.atMs <= nowMs - JOIN_WINDOW_MS || hasWorked(nodeId)) continue
    if (isOwners) ofOwner++
    if (isNetworks) ofNetwork++
  }
  if (ofOwner >= limits.perOwner) return 'owner_joins_too_many'
  return ofNetwork >= limits.perNetwork ? 'network_joins_too_many' : null
}

/** `203.0.113.0/24`, or `2a00:1450:4001::/48`, of an address that strangers share; `null` for what is private, or no address. */
export function networkOf(address: string | undefined): string | null {
  const match = /^(?:::ffff:)?(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.\d{1,3}$/.exec(address ?? '')
  if (!match) return networkOfV6(address ?? '')
  const [a, b, c] = match.slice(1).map(Number) as [number, number, number]
  const isPrivate =
    a === 127 ||
    a === 10 ||
    (a === 192 && b === 168) ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 169 && b === 254) ||
    (a === 100 && b >= 64 && b < 128)
  return isPrivate || a > 255 || b > 255 || c > 255 ? null : `${a}.${b}.${c}.0/24`
}

/** Of 2000::/3 alone, which are all that are routed; a line or a rented server has a /64 to a /48 of them. */
function networkOfV6(address: string): string | null {
  if (!/^[0-9a-f:]{2,39}$/i.test(address)) return null
  const [head = '', tail, ...more] = address.split('::')
  const groupsOf = (text: string | undefined): string[] => (text ? text.split(':') : [])
  const [before, after] = [groupsOf(head), groupsOf(tail)]
  const missing = 8 - before.length - after.length
  if (more.length > 0 || (tail === undefined ? missing !== 0 : missing < 1)) return null
  const groups = [...before, ...Array<string>(missing).fill('0'), ...after]
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null
  const [first = 0, ...next] = groups.slice(0, 3).map((group) => Number.parseInt(group, 16))
  const isForDocs = first === 0x2001 && next[0] === 0xdb8
  if (first >> 13 !== 1 || isForDocs) return null
  return `${[first, ...next].map((group) => group.toString(16)).join(':')}::/48`
}
