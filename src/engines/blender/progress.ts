/** How far a frame is, from what Cycles prints: `… | Rendered 1/4 Tiles, Sample 12/32`. */

/** A reader of pieces of that output, which tells `onProgress` fractions that never fall. */
export function readProgress(onProgress: (fraction: number) => void): (text: string) => void {
  let best = 0
  return (text) => {
    const fraction = fractionOf(text)
    if (fraction === null || fraction <= best) return
    best = fraction
    onProgress(fraction)
  }
}

/** Of the last such line in `text`, or `null`. */
export function fractionOf(text: string): number | null {
  const line = text.slice(text.lastIndexOf('Sample ') === -1 ? text.length : lineStart(text))
  const sample = /Sample (\d+)\/(\d+)/.exec(line)
  if (sample === null) return null
  const tiles = /Rendered (\d+)\/(\d+) Tiles/.exec(line)
  const ofSamples = ratio(sample[1], sample[2])
  if (tiles === null) return ofSamples
  const count = Number(tiles[2])
  return count > 0 ? Math.min(1, ratio(tiles[1], tiles[2]) + ofSamples / count) : ofSamples
}

const lineStart = (text: string): number => text.lastIndexOf('\n', text.lastIndexOf('Sample ')) + 1

const ratio = (part: string | undefined, whole: string | undefined): number =>
  Number(whole) > 0 ? Math.min(1, Number(part) / Number(whole)) : 0
