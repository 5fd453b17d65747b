import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLocalBus } from '#host/node/local-bus.ts'
import { nodeClock } from '#host/node/node-clock.ts'
import { joinPages, joinWorkerMetrics } from './worker-metrics.ts'

const page = (value: number): string =>
  `# HELP a_total A.\n# TYPE a_total counter\na_total{model="m"} ${value}\n\n# HELP b B.\n# TYPE b gauge\nb ${value}\n`

test('each metric is there once, with every worker’s samples behind it', () => {
  assert.equal(
    joinPages(
      new Map([
        [1, page(2)],
        [0, page(1)],
      ]),
    ),
    [
      '# HELP a_total A.\n# TYPE a_total counter\na_total{worker="0",model="m"} 1\na_total{worker="1",model="m"} 2\n',
      '# HELP b B.\n# TYPE b gauge\nb{worker="0"} 1\nb{worker="1"} 2\n',
    ].join('\n'),
  )
})

test('whichever worker is asked shows all of them, and one that is gone is left out in time', async () => {
  const workers = setup([0, 1, 2], 3)
  const joined = await workers[1]?.join(page(1))
  assert.deepEqual(samplesOf(joined), [
    'a_total{worker="0",model="m"} 0',
    'a_total{worker="1",model="m"} 1',
    'a_total{worker="2",model="m"} 2',
  ])
  workers[0]?.close()
  assert.deepEqual(samplesOf(await workers[1]?.join(page(1))), [
    'a_total{worker="1",model="m"} 1',
    'a_total{worker="2",model="m"} 2',
  ])
})

const samplesOf = (text = ''): string[] => text.split('\n').filter((line) => line.startsWith('a_total'))

function setup(indices: readonly number[], count: number) {
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const clock = {
    ...nodeClock,
    after: (ms: number, run: () => void) => {
      const timer = setTimeout(run, ms)
      return { cancel: () => clearTimeout(timer) }
    },
  }
  const bus = createLocalBus({ clock, log })
  let ids = 0
  return indices.map((index) =>
    joinWorkerMetrics(
      { bus, clock },
      { group: 'g', index, count, text: async () => page(index), newId: () => `${++ids}` },
    ),
  )
}
