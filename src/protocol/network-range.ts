/** Ranges of IP addresses, such as `10.0.0.0/8` and `2001:db8::/32`, and which addresses are in them. Pure text work. */
import { z } from 'zod'

/** An address or a range in CIDR form; bits behind the prefix may be set, and mean nothing. */
export const NetworkRange = z
  .string()
  .max(50)
  .regex(/^[\da-fA-F]*[.:][\da-fA-F.:]*(\/\d{1,3})?$/, 'expected an address or a range such as 10.0.0.0/8')
  .refine((text) => parseRange(text) !== null, 'expected an address or a range such as 10.0.0.0/8')
  .meta({ id: 'NetworkRange', description: 'An IP address, or a range of them in CIDR form.' })

interface Range {
  readonly bytes: readonly number[]
  readonly prefix: number
}

/** True when `address` is in one of `ranges`. An IPv4 address that came in IPv6's clothes counts as IPv4. */
export function isInRanges(address: string, ranges: readonly string[]): boolean {
  const bytes = parseAddress(address)
  if (bytes === null) return false
  return ranges.some((text) => {
    const range = parseRange(text)
    return range !== null && contains(range, bytes)
  })
}

function parseRange(text: string): Range | null {
  const [address = '', prefixText, ...rest] = text.split('/')
  const bytes = parseAddress(address)
  if (bytes === null || rest.length > 0) return null
  const bits = bytes.length * 8
  if (prefixText === undefined) return { bytes, prefix: bits }
  if (!/^\d{1,3}$/.test(prefixText) || Number(prefixText) > bits) return null
  return { bytes, prefix: Number(prefixText) }
}

function contains({ bytes, prefix }: Range, address: readonly number[]): boolean {
  if (bytes.length !== address.length) return false
  const whole = prefix >> 3
  for (let index = 0; index < whole; index++) if (bytes[index] !== address[index]) return false
  const mask = (0xff << (8 - (prefix & 7))) & 0xff
  return ((bytes[whole] ?? 0) & mask) === ((address[whole] ?? 0) & mask)
}

/** Four bytes or sixteen, or `null` for what is no address. A zone (`%eth0`) is left out. */
function parseAddress(text: string): readonly number[] | null {
  const [bare = ''] = text.split('%')
  return bare.includes(':') ? parseV6(bare) : parseV4(bare)
}

function parseV4(text: string): readonly number[] | null {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part))) return null
  const bytes = parts.map(Number)
  return bytes.every((byte) => byte <= 255) ? bytes : null
}

function parseV6(text: string): readonly number[] | null {
  const halves = text.split('::')
  if (halves.length > 2) return null
  const [head, tail] = halves.map(groupsOf)
  if (!head || (halves.length === 2 && !tail)) return null
  const missing = 16 - head.length - (tail?.length ?? 0)
  if (halves.length === 2 ? missing < 2 : missing !== 0) return null
  const bytes = [...head, ...new Array<number>(missing).fill(0), ...(tail ?? [])]
  const isMappedV4 =
    bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff
  return isMappedV4 ? bytes.slice(12) : bytes
}

/** The bytes of groups between colons; the last may be an IPv4 address. */
function groupsOf(text: string): number[] | null {
  if (text === '') return []
  const groups = text.split(':')
  const bytes: number[] = []
  for (const [index, group] of groups.entries()) {
    if (group.includes('.') && index === groups.length - 1) {
      const last = parseV4(group)
      if (last === null) return null
      bytes.push(...last)
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return null
      const value = Number.parseInt(group, 16)
      bytes.push(value >> 8, value & 0xff)
    }
  }
  return bytes
}
