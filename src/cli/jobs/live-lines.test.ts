import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLiveLines } from './live-lines.ts'

test('what was drawn is taken away again, as many lines as it was', () => {
  const { lines, written } = setup({ isTty: true })
  lines.draw(['one', 'two'])
  lines.draw(['three'])
  lines.clear()
  lines.clear()
  assert.equal(written(), 'one\ntwo\n\u001b[2A\r\u001b[Jthree\n\u001b[1A\r\u001b[J')
})

test('a line that the terminal would fold is cut before', () => {
  const { lines, written } = setup({ isTty: true })
  lines.draw(['x'.repeat(20), 'y'.repeat(19), `\u001b[2m${'z'.repeat(12)}\u001b[22m`])
  assert.deepEqual(
    written()
      .split('\n')
      .map((line) => [...line].length),
    [19, 19, 21, 0],
  )
})

test('in a pipe and on a dumb terminal nothing is drawn', () => {
  for (const options of [{ isTty: false }, { isTty: true, env: { TERM: 'dumb' } }]) {
    const { lines, written } = setup(options)
    lines.draw(['one'])
    lines.clear()
    assert.deepEqual([lines.isLive, written()], [false, ''])
  }
})

function setup({ isTty, env = {} }: { isTty: boolean; env?: Record<string, string> }) {
  let text = ''
  const write = (more: string): void => {
    text += more
  }
  const stderr = { isTty, columns: 20, write }
  return { lines: createLiveLines({ stderr, env }), written: () => text }
}
