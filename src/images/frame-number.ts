/** Which frame a picture is, by its name; videos play in that order. */

/** By the last number in the name, sign included; names without one come first. Equal numbers: by name. */
export function byFrame(a: string, b: string): number {
  const [one, other] = [frameOf(a), frameOf(b)]
  if (one !== other) return one < other ? -1 : 1
  return a < b ? -1 : a > b ? 1 : 0
}

/** `frame-0012.png` is 12, `frame--0003.png` is -3. */
export function frameOf(path: string): number {
  const name = path.slice(path.lastIndexOf('/') + 1).replace(/\.[^.]*$/, '')
  const match = /(?:(?<=[-_. ])(-))?(\d+)(?!.*\d)/.exec(name)
  if (match === null) return Number.NEGATIVE_INFINITY
  return match[1] === undefined ? Number(match[2]) : -Number(match[2])
}
