/**
 * One text for one value: the form in which states are compared, hashed and kept as snapshots.
 * Object keys and map keys are sorted, so neither insertion order nor an engine's habits show.
 */

/** JSON with `{"$n":"1"}` for bigints and `{"$m":[[key,value]]}` for maps. Undefined members are left out. */
export function toCanonical(value: unknown): string {
  if (typeof value === 'bigint') return `{"$n":"${value}"}`
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map((item) => toCanonical(item ?? null)).join(',')}]`
  if (value instanceof Map) {
    const entries = [...value].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    return `{"$m":[${entries.map(([key, item]) => `[${toCanonical(key)},${toCanonical(item)}]`).join(',')}]}`
  }
  const members = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([key, item]) => `${JSON.stringify(key)}:${toCanonical(item)}`).join(',')}}`
}

/** The inverse of `toCanonical`. The caller vouches for the type: snapshots are read only after their checksum held. */
export function fromCanonical(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown) => {
    if (value === null || typeof value !== 'object') return value
    if ('$n' in value) return BigInt(value.$n as string)
    if ('$m' in value) return new Map(value.$m as [unknown, unknown][])
    return value
  })
}
