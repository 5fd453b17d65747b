/** Parts of a picture as text. */
import type { Box } from './picture.ts'

/** `x,y,width,height;…`, or `null` when it is anything else or more than 64 of them. */
export function parseBoxes(text: string): readonly Box[] | null {
  const boxes = text.split(';').map((part) => /^(\d{1,6}),(\d{1,6}),(\d{1,6}),(\d{1,6})$/.exec(part))
  if (boxes.length > 64 || boxes.some((box) => box === null)) return null
  return boxes.map((box) => {
    const [x = 0, y = 0, width = 0, height = 0] = (box ?? []).slice(1).map(Number)
    return { x, y, width, height }
  })
}

export const formatBoxes = (boxes: readonly Box[]): string =>
  boxes.map(({ x, y, width, height }) => `${x},${y},${width},${height}`).join(';')
