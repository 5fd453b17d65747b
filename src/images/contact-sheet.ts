/** Several pictures on one sheet, each with the number of its frame below it. */
import type { Picture } from './picture.ts'
import { shrink } from './shrink.ts'

export interface SheetPicture {
  readonly picture: Picture
  /** Digits and a sign. */
  readonly label: string
}

export interface SheetOptions {
  readonly columns: number
  /** The most room of one picture; where all are smaller, they get as much as the largest takes. */
  readonly width: number
  readonly height: number
}

const GAP = 8
/** A digit is 3 by 5 dots of this many pixels. */
const DOT = 2
const LABEL_HEIGHT = 5 * DOT + GAP
/** A number of six digits. */
const WIDTH_MIN = 6 * 4 * DOT
const BACKGROUND = 0.11
const INK = 0.8

/** Pictures, in the light of a screen, row by row from the upper left. */
export function makeContactSheet(pictures: readonly SheetPicture[], options: SheetOptions): Picture {
  const columns = Math.max(1, Math.min(options.columns, pictures.length))
  const rows = Math.ceil(pictures.length / columns)
  const small = pictures.map(({ picture, label }) => ({ picture: shrink(picture, options), label }))
  const room = {
    width: Math.max(WIDTH_MIN, ...small.map(({ picture }) => picture.width)),
    height: Math.max(0, ...small.map(({ picture }) => picture.height)),
  }
  const cell = { width: room.width + GAP, height: room.height + LABEL_HEIGHT + GAP }
  const width = columns * cell.width + GAP
  const height = Math.max(1, rows * cell.height + GAP)
  const sheet: Picture = {
    width,
    height,
    channels: 3,
    values: new Float32Array(width * height * 3).fill(BACKGROUND),
    step: 1 / 255,
    metadata: {},
  }
  for (const [index, { picture, label }] of small.entries()) {
    const x = GAP + (index % columns) * cell.width
    const y = GAP + Math.floor(index / columns) * cell.height
    paste(sheet, picture, { x, y })
    write(sheet, label, { x, y: y + picture.height + (GAP >> 1) })
  }
  return sheet
}

interface Place {
  readonly x: number
  readonly y: number
}

/** Over what is there, as far as it is seen through. */
function paste(sheet: Picture, picture: Picture, { x, y }: Place): void {
  const { channels } = picture
  for (let row = 0; row < picture.height; row += 1) {
    for (let column = 0; column < picture.width; column += 1) {
      const from = (row * picture.width + column) * channels
      const to = ((y + row) * sheet.width + x + column) * 3
      const cover = channels === 4 ? (picture.values[from + 3] ?? 1) : 1
      for (let channel = 0; channel < 3; channel += 1) {
        const value = picture.values[from + channel] ?? 0
        sheet.values[to + channel] = value * cover + (sheet.values[to + channel] ?? 0) * (1 - cover)
      }
    }
  }
}

/** Rows of three dots from the top, as bits. */
const GLYPHS: Readonly<Record<string, readonly number[]>> = {
  '0': [7, 5, 5, 5, 7],
  '1': [2, 6, 2, 2, 7],
  '2': [7, 1, 7, 4, 7],
  '3': [7, 1, 7, 1, 7],
  '4': [5, 5, 7, 1, 1],
  '5': [7, 4, 7, 1, 7],
  '6': [7, 4, 7, 5, 7],
  '7': [7, 1, 2, 2, 2],
  '8': [7, 5, 7, 5, 7],
  '9': [7, 5, 7, 1, 7],
  '-': [0, 0, 7, 0, 0],
}

function write(sheet: Picture, text: string, { x, y }: Place): void {
  for (const [at, letter] of [...text].entries()) {
    for (const [row, bits] of (GLYPHS[letter] ?? []).entries()) {
      for (let column = 0; column < 3; column += 1) {
        if (((bits >> (2 - column)) & 1) === 0) continue
        fill(sheet, { x: x + (at * 4 + column) * DOT, y: y + row * DOT })
      }
    }
  }
}

function fill(sheet: Picture, { x, y }: Place): void {
  for (let row = y; row < Math.min(y + DOT, sheet.height); row += 1)
    for (let column = x; column < Math.min(x + DOT, sheet.width); column += 1)
      sheet.values.fill(INK, (row * sheet.width + column) * 3, (row * sheet.width + column) * 3 + 3)
}
