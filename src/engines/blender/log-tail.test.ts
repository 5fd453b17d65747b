import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogTail } from './log-tail.ts'

test('of the lines that say how far a frame is, the newest of each run stays', () => {
  const tail = createLogTail()
  tail.add('Read blend: shot.blend\nFra:3 Mem:1M | Sample 0/16\nFra:3 Mem:1M | Sam')
  tail.add('ple 1/16\nFra:3 Mem:1M | Finished\nSaved: out\n')
  tail.add('Fra:4 Mem:1M | Sample 0/16\nFra:4 Mem:1M | Sample 9/16\nWriting: /tmp/crash.txt\n')
  assert.deepEqual(tail.text.split('\n'), [
    'Read blend: shot.blend',
    'Fra:3 Mem:1M | Finished',
    'Saved: out',
    'Fra:4 Mem:1M | Sample 9/16',
    'Writing: /tmp/crash.txt',
    '',
  ])
})

test('what went wrong before a thousand such lines is still there', () => {
  const tail = createLogTail()
  tail.add('Error: texture wood is no picture\n')
  for (let sample = 0; sample < 1_000; sample++) tail.add(`Fra:-7 Mem:1M | Sample ${sample}/1000\n`)
  assert.equal(tail.text, 'Error: texture wood is no picture\nFra:-7 Mem:1M | Sample 999/1000\n')
})

test('it keeps its length, also of one line without an end', () => {
  const tail = createLogTail()
  for (let line = 0; line < 500; line++) tail.add(`line ${line} of a script\n`)
  assert.ok(tail.text.length <= 4_000)
  assert.ok(tail.text.endsWith('line 499 of a script\n'))
  tail.add('x'.repeat(10_000))
  assert.equal(tail.text, 'x'.repeat(4_000))
})
