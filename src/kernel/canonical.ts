/**
 * One text for one value: the form in which states are compared, hashed and kept as snapshots.
 * Object keys and map keys are sorted, so neither insertion order nor an engine's habits show.
 */

/** JSON with `{"$n":"1"}` for bigints and `{"$m":[[key,value]]}` for maps. Undefined members are left out. */
export const toCanonical = (value: unknown): string => JSON.stringify(toPlain(value))

/** The inverse of `toCanonical`. The caller vouches for the type: snapshots are read only after their checksum held. */
export const fromCanonical = (text: string): unknown => fromPlain(JSON.parse(text))

/** Whether both have the same canonical text, which is not written for it. Values that JSON does not have are equal only to themselves. */
export function areEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false
  if (a instanceof Map || b instanceof Map) return toCanonical(a) === toCanonical(b)
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    return a.every((item, index) => areEqual(item, b[index]))
  }
  const [left, right] = [a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>]
  for (const name of Object.keys(left)) if (!areEqual(left[name], right[name])) return false
  // Undefined members are as good as none.
  for (const name of Object.keys(right))
    if (right[name] !== undefined && left[name] === undefined) return false
  return true
}

// By hand, and not by functions that `JSON` calls back for every member: states are large.

function toPlain(value: unknown): unknown {
  if (typeof value === 'bigint') return { $n: value.toString() }
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(toPlain)
  if (value instanceof Map) {
    const entries = [...value].sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0))
    return { $m: entries.map((entry) => [toPlain(entry[0]), toPlain(entry[1])]) }
  }
  const members = value as Readonly<Record<string, unknown>>
  const plain: Record<string, unknown> = {}
  for (const name of Object.keys(members).sort()) plain[name] = toPlain(members[name])
  return plain
}

/** Changes what `JSON.parse` made in place. */
function fromPlain(plain: unknown): unknown {
  if (plain === null || typeof plain !== 'object') return plain
  if (Array.isArray(plain)) {
    for (const [index, item] of plain.entries()) plain[index] = fromPlain(item)
    return plain
  }
  const members = plain as Record<string, unknown>
  if ('$n' in members) return BigInt(members['$n'] as string)
  if ('$m' in members) {
    const entries = members['$m'] as [unknown, unknown][]
    return new Map(entries.map((entry) => [fromPlain(entry[0]), fromPlain(entry[1])]))
  }
  for (const name of Object.keys(members)) members[name] = fromPlain(members[name])
  return members
}
