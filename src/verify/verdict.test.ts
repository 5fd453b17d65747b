import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ASKS_MAX, type Finding, type Weighing, weigh } from './verdict.ts'

type Say = Weighing['opinions'][number]

const rows: readonly (readonly [
  what: string,
  opinions: readonly Say[],
  proven: boolean,
  finding: Finding,
])[] = [
  ['nobody was asked', [], false, { ask: 'crops', notOf: ['own'] }],
  ['crops are the same', [say('b', 'crops', 'same')], false, { verdict: 'honest' }],
  [
    'crops differ, and none ever told',
    [say('b', 'crops', 'different')],
    false,
    { ask: 'frame', notOf: ['own'] },
  ],
  [
    'crops differ, and those of another frame told',
    [say('b', 'crops', 'different')],
    true,
    { ask: 'frame', notOf: ['own'] },
  ],
  [
    'of the operator’s own, crops, whatever they told before',
    [say('r', 'crops', 'different', true)],
    true,
    { ask: 'frame', notOf: ['own'] },
  ],
  [
    'of the operator’s own, a frame',
    [say('r', 'crops', 'different', true), say('r', 'frame', 'different', true)],
    false,
    { verdict: 'liar' },
  ],
  [
    'a frame is like another owner’s crops',
    [say('b', 'crops', 'different'), say('c', 'frame', 'different', false, true)],
    false,
    { verdict: 'liar' },
  ],
  [
    'a frame is not like another owner’s crops',
    [say('b', 'crops', 'different'), say('c', 'frame', 'different', false, false)],
    true,
    { ask: 'frame', notOf: ['own', 'c'] },
  ],
  [
    'crops differ, and the frame is the same',
    [say('b', 'crops', 'different'), say('c', 'frame', 'same')],
    false,
    { verdict: 'honest' },
  ],
  [
    'crops differ, and the frame too',
    [say('b', 'crops', 'different'), say('b', 'frame', 'different')],
    false,
    { ask: 'frame', notOf: ['own', 'b'] },
  ],
  [
    'and two owners’ frames are the same',
    [
      say('b', 'crops', 'different'),
      say('b', 'frame', 'different'),
      say('c', 'frame', 'different', false, true),
    ],
    false,
    { verdict: 'liar' },
  ],
  [
    'two owners’ crops agree with each other',
    [say('b', 'crops', 'different'), say('c', 'crops', 'different', false, true)],
    true,
    { ask: 'frame', notOf: ['own'] },
  ],
  [
    'three owners, three frames',
    [say('b', 'frame', 'different'), say('c', 'frame', 'different', false, false)],
    true,
    { verdict: 'disputed' },
  ],
  [
    'one owner says it twice',
    [say('b', 'crops', 'different'), say('b', 'frame', 'different', false, true)],
    true,
    { ask: 'frame', notOf: ['own', 'b'] },
  ],
  [
    'three owners, three frames, and nothing of the step was ever found good',
    [say('b', 'frame', 'different'), say('c', 'frame', 'different', false, false)],
    false,
    { verdict: 'irreproducible' },
  ],
  [
    'a second owner contradicts the first',
    [say('b', 'crops', 'different'), say('c', 'crops', 'same')],
    true,
    { verdict: 'honest' },
  ],
  [
    'what came was no picture',
    [say('b', 'crops', 'unreadable')],
    true,
    { ask: 'crops', notOf: ['own', 'b'] },
  ],
]

for (const [what, opinions, areCropsProven, finding] of rows) {
  test(`${what}: ${'verdict' in finding ? finding.verdict : `another, by ${finding.ask}`}`, () => {
    const asks = opinions.length
    assert.deepEqual(weigh({ organisationId: 'own', opinions, asks, by: 'crops', areCropsProven }), finding)
  })
}

test('nobody is asked for ever', () => {
  const opinions = Array.from({ length: ASKS_MAX }, (_, at) => say(`o${at}`, 'crops', 'unreadable'))
  const weighing = { organisationId: 'own', asks: ASKS_MAX, by: 'crops', areCropsProven: true } as const
  assert.deepEqual(weigh({ ...weighing, opinions }), { verdict: 'nobody' })
  const one = [...opinions.slice(1), say('b', 'crops', 'different')]
  assert.deepEqual(weigh({ ...weighing, opinions: one }), { verdict: 'disputed' })
})

function say(
  organisationId: string,
  by: Say['by'],
  says: Say['says'],
  isReference = false,
  agrees: boolean | null = null,
): Say {
  return { organisationId, by, says, isReference, agrees }
}
