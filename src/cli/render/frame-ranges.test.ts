import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { formatFrames, parseFrameRanges } from './frame-ranges.ts'

test('ranges are the frames that they say, in order, each once', () => {
  const rows: [text: string, frames: number[]][] = [
    ['7', [7]],
    ['1-3', [1, 2, 3]],
    ['1-3,300-306:3', [1, 2, 3, 300, 303, 306]],
    ['5, 1-3 ,2-4', [1, 2, 3, 4, 5]],
    ['-3--1', [-3, -2, -1]],
    ['-1-1', [-1, 0, 1]],
    ['1-10:4', [1, 5, 9]],
    ['4-4:9', [4]],
    ['007', [7]],
  ]
  for (const [text, frames] of rows) assert.deepEqual(parseFrameRanges(text), frames, text)
  assert.equal(parseFrameRanges('1-100000').length, 100_000)
})

test('what is no range is refused in one sentence that names it', () => {
  const rows: [text: string, message: RegExp][] = [
    ['', /^There are no frames in ''\. Write a frame, a range or several: 7, 1-240 or 1-240,300-310:2\.$/],
    ['  ', /^There are no frames in/],
    ['1-', /^'1-' has no last frame\. Write 1-10, say\.$/],
    ['-5-', /^'-5-' has no last frame\. Write -5-10, say\.$/],
    ['10-1', /^'10-1' runs backwards\. Write 1-10\.$/],
    ['a', /^'a' is no range of frames\. Write/],
    ['1..5', /^'1\.\.5' is no range/],
    ['1-5-9', /^'1-5-9' is no range/],
    ['1.5', /^'1\.5' is no range/],
    ['1-5:-1', /is no range/],
    ['1-9:0', /^'1-9:0' takes steps of 0\. Write 1-9 for every frame\.$/],
    ['1,,3', /^'1,,3' has an empty range in it\./],
    ['1,', /has an empty range in it/],
    ['0-100000', /has more than 100000 frames, the most of one job\. Make several jobs of it\.$/],
    ['1-99999999', /beyond frame 1048574/],
    ['1-99999999:99999', /beyond frame 1048574/],
    ['9999999', /^'9999999' goes beyond frame 1048574, the last that Blender knows\.$/],
    ['999999999999', /beyond frame 1048574/],
  ]
  for (const [text, message] of rows) {
    const refused = () => parseFrameRanges(text)
    assert.throws(refused, (error) => error instanceof Problem && message.test(error.message), text)
  }
})

test('numbers are told as few ranges', () => {
  assert.equal(formatFrames([1, 2, 3, 7, 9, 10]), '1-3, 7, 9-10')
  assert.equal(formatFrames([1, 3, 5, 7], 2), '1, 3 and 2 more')
  assert.equal(formatFrames([]), '')
})
