import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Batch, type Load, measurePairs, median, type Pair, summarise } from './pairs.ts'

test('both ways get the same load, and each goes first every other time', async () => {
  const { asked, options } = setup()
  const { pairs, disturbed } = await measurePairs({ ...options, count: 4 })
  assert.deepEqual([pairs.length, disturbed.length], [4, 0])
  assert.deepEqual(asked, [
    ...['direct 0', 'network 0'],
    ...['network 1', 'direct 1'],
    ...['direct 2', 'network 2'],
    ...['network 3', 'direct 3'],
  ])
  assert.ok(pairs.every(({ direct, network }) => direct.seconds === 2 && network.seconds === 4))
})

test('disturbed pairs are left out and measured again, so often and no more', async () => {
  const { asked, options } = setup()
  const never = { ...options, count: 3, foreignPercentMax: -1, more: 2 }
  const { pairs, disturbed } = await measurePairs(never)
  assert.deepEqual([pairs.length, disturbed.length, asked.length], [0, 5, 10])
})

test('a summary has the middle pair, and not the middle speeds of different ones', () => {
  const summary = summarise([pair(100, 90), pair(50, 50), pair(10, 9.7)])
  assert.equal(summary.ratio, 0.97)
  assert.deepEqual([summary.ratioMin, summary.ratioMax], [0.9, 1])
  assert.deepEqual([summary.directPerSecond, summary.networkPerSecond], [50, 50])
  assert.equal(Math.round(summarise([pair(1_000, 500)]).addedMicrosPerToken), 1_000)
})

test('a median is the value in the middle, the mean of two, and of nothing not a number', () => {
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(median([4, 1, 3, 2]), 2.5)
  assert.ok(Number.isNaN(median([])))
})

const batch = (tokens: number, seconds: number): Batch => ({ tokens, seconds, texts: [], pieces: tokens })

/** Of so many tokens a second. */
const pair = (direct: number, network: number): Pair => ({
  direct: batch(direct, 1),
  network: batch(network, 1),
  foreignPercent: 0,
})

function setup() {
  const asked: string[] = []
  const way = (name: string, seconds: number) => ({
    async run({ prompts }: Load): Promise<Batch> {
      asked.push(`${name} ${prompts.join()}`)
      return batch(10, seconds)
    },
  })
  const options = {
    direct: way('direct', 2),
    network: way('network', 4),
    loadOf: (turn: number): Load => ({ prompts: [String(turn)], tokens: 10 }),
    foreignPercentMax: Number.POSITIVE_INFINITY,
    more: 0,
  }
  return { asked, options }
}
