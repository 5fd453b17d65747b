import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type NodePresence, PresenceReport, subjects } from '#protocol/cell.ts'
import { createTestWorld } from '#sim/test-world.ts'
import { createPresenceReporter } from './presence-reporter.ts'

test('news is told at once, once', async () => {
  const { reporter, reports, run } = setup()
  reporter.tell(online('a', 1))
  await run(5_000)
  const [{ start, ...report } = { start: '' }, ...others] = reports()
  assert.deepEqual(
    [report, others],
    [{ gatewayId: 'g', incarnation: 3, sequence: 1, isComplete: false, nodes: [online('a', 1)] }, []],
  )
  assert.match(start ?? '', /^start_/)
})

test('one report is under way at a time; what happens meanwhile goes into the next, newest state alone', async () => {
  const { reporter, reports, run } = setup()
  reporter.tell(online('a', 1))
  reporter.tell(online('b', 1))
  reporter.tell(silent('b', 1))
  reporter.tell(online('b', 2))
  await run(1_000)
  assert.deepEqual(
    reports().map(({ sequence, nodes }) => [sequence, nodes]),
    [
      [1, [online('a', 1)]],
      [2, [silent('b', 1), online('b', 2)]],
    ],
  )
})

test('a report that nobody answers is repeated as it was, before any later news', async () => {
  const { reporter, reports, faults, run } = setup()
  faults.cutOff.add('coordinator')
  reporter.tell(online('a', 1))
  await run(100)
  reporter.tell(silent('a', 1))
  await run(6_000)
  faults.cutOff.clear()
  await run(6_000)
  assert.deepEqual(
    reports().map(({ sequence, nodes }) => [sequence, nodes]),
    [
      [1, [online('a', 1)]],
      [2, [silent('a', 1)]],
    ],
  )
})

test('a report whose answer was lost comes again under its number', async () => {
  const { reporter, reports, answers, run } = setup()
  answers.push('lost')
  reporter.tell(online('a', 1))
  await run(5_000)
  assert.deepEqual(
    reports().map(({ sequence }) => sequence),
    [1, 1],
  )
})

test('a complete report says so, with goodbyes that were not told yet beside those who are here', async () => {
  const { reporter, reports, run } = setup()
  reporter.tell(online('first', 1))
  const goodbye: NodePresence = { nodeId: 'gone', session: 4, status: 'gone', reason: 'left' }
  reporter.tell(goodbye)
  reporter.tellAll([online('a', 1)])
  await run(1_000)
  assert.deepEqual(
    reports().map(({ isComplete, nodes }) => [isComplete, nodes]),
    [
      [false, [online('first', 1)]],
      [true, [goodbye, online('a', 1)]],
    ],
  )
})

test('a complete report is told even when nobody is here', async () => {
  const { reporter, reports, run } = setup()
  reporter.tellAll([])
  await run(1_000)
  assert.deepEqual(
    reports().map(({ isComplete, nodes }) => [isComplete, nodes]),
    [[true, []]],
  )
})

test('whoever the coordinator refuses is named', async () => {
  const { reporter, refused, answers, run } = setup()
  answers.push('refuse')
  reporter.tell(online('a', 1))
  await run(1_000)
  assert.deepEqual(refused, [{ nodeId: 'a', session: 1, sessionMin: 9 }])
})

test('a report of an incarnation that is over is told again as the coordinator asks, and so is all that follows', async () => {
  const { reporter, reports, answers, run } = setup()
  answers.push('old')
  reporter.tell(online('a', 1))
  await run(1_000)
  reporter.tell(online('b', 1))
  await run(1_000)
  assert.deepEqual(
    reports().map(({ incarnation, sequence, nodes }) => [incarnation, sequence, nodes]),
    [
      [3, 1, [online('a', 1)]],
      [9, 1, [online('a', 1)]],
      [9, 2, [online('b', 1)]],
    ],
  )
})

test('once closed it tells nothing more', async () => {
  const { reporter, reports, faults, run } = setup()
  faults.cutOff.add('coordinator')
  reporter.tell(online('a', 1))
  await run(100)
  reporter.close()
  faults.cutOff.clear()
  reporter.tell(online('b', 1))
  await run(10_000)
  assert.deepEqual(reports(), [])
})

const online = (nodeId: string, session: number): NodePresence => ({
  nodeId,
  session,
  status: 'online',
  reason: null,
})
const silent = (nodeId: string, session: number): NodePresence => ({
  nodeId,
  session,
  status: 'suspect',
  reason: 'silent',
})

/** The reporter of gateway `g` in its third life, and a coordinator that notes what reaches it. */
function setup() {
  const world = createTestWorld()
  const { faults, run } = world
  const reports: PresenceReport[] = []
  const answers: ('lost' | 'refuse' | 'old')[] = []
  world.machine('coordinator').host.bus.serve(subjects.presence, (message, reply) => {
    const report = PresenceReport.parse(JSON.parse(message))
    reports.push(report)
    const answer = answers.shift()
    if (answer === 'lost') return
    if (answer === 'old') return reply(JSON.stringify({ epoch: 1, refused: [], incarnationMin: 9 }))
    const refused =
      answer === 'refuse'
        ? report.nodes.map(({ nodeId, session }) => ({ nodeId, session, sessionMin: 9 }))
        : []
    reply(JSON.stringify({ epoch: 1, refused }))
  })
  const refused: unknown[] = []
  const reporter = createPresenceReporter(world.machine('g').host, {
    gatewayId: 'g',
    incarnation: 3,
    onRefused: (those) => refused.push(...those),
  })
  return { reporter, reports: () => reports, answers, refused, faults, run }
}
