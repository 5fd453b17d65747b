/**
 * One text for one value: the form in which states are compared, hashed and kept as snapshots.
 * Object keys and map keys are sorted, so neither insertion order nor an engine's habits show.
 */

/** JSON with `{"$n":"1"}` for bigints and `{"$m":[[key,value]]}` for maps. Undefined members are left out. */
export const toCanonical = (value: unknown): string => JSON.stringify(toPlain(value))

/** The inverse of `toCanonical`. The caller vouches for the type: snapshots are read only after their checksum held. */
export const fromCanonical = (text: string): unknown => fromPlain(JSON.parse(text))

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
