/** What becomes at the coordinator of the receipts of tasks, which no meter reading brings. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '#host/digest-of.ts'
import { subjects } from '#protocol/cell.ts'
import { type ExtraReceipt, ReceiptLeftovers, ReceiptNews, receiptLeftoversTo } from '#protocol/receipts.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import { linksOf } from '#receipts/receipt-text.ts'
import type { ReceiptChain } from '#receipts/receipts.ts'
import { headOf, madeChain } from '#receipts/test-receipt-file.ts'
import { simCrypto } from '#sim/sim-host.ts'
import { createTestWorld, foundCell } from '#sim/test-world.ts'
import type { Coordinator } from '../coordinator.ts'
import type { CoordinatorEvent } from '../coordinator-events.ts'
import { emptyState } from '../coordinator-state.ts'
import { collectReceipts, type ReceiptRow } from '../read-models/receipt-rows.ts'
import { startTurn } from '../turn.ts'
import { serveReceipts } from './serve-receipts.ts'

test('a node that left before it signed the receipt of a result is shown it where it is next', async () => {
  const { tell, made, shown, rows, connect, run } = setup()
  await tell({ made: [made(1), made(2)] })
  connect({ session: 7 })
  await run(6_000)
  assert.equal(shown.length, 0, 'on its own connection its gateway shows them')
  connect({ session: 8 })
  await run(6_000)
  const [offer] = shown.flatMap(({ offers }) => offers)
  assert.deepEqual([offer?.from, offer?.receipts.length, offer?.session], [1, 2, 7])
  assert.deepEqual(
    rows().map(({ part, number, organisation_id }) => `${part} ${number} ${organisation_id}`),
    ['chain 0 null', 'receipt 1 org_payer', 'receipt 2 org_payer'],
  )
})

test('with its signature a receipt comes once, whether it was told before or not', async () => {
  const { tell, made, signed, rows, events } = setup()
  await tell({ made: [made(1)] })
  await tell({ signed: [signed(2)] })
  await tell({ made: [made(1), made(2)] })
  const told = (type: string) => events.filter((event) => event.type === type).length
  assert.deepEqual([told('receipts.made'), told('receipts.signed')], [1, 1])
  assert.deepEqual(
    rows()
      .filter(({ part }) => part === 'receipt')
      .map(({ number }) => number),
    [1, 2],
  )
})

test('a node that signs nothing keeps nobody else from being shown what is theirs', async () => {
  const { state, tell, made, shown, connect, run } = setup()
  const silent = Array.from({ length: 80 }, (_, index): [string, ReceiptChain] => [
    `silent-${index}`.padEnd(43, '-'),
    {
      ...{ nodeId: 'node_2', session: 1, through: 1, signed: 0, signedHash: 'h'.repeat(43), lastAtMs: 0 },
      open: [{ number: 1, hash: 'h'.repeat(43), text: '{}' }],
    },
  ])
  for (const [chain, open] of silent) state.receipts.chains.set(chain, open)
  await tell({ made: [made(1)] })
  connect({ session: 2, nodeId: 'node_2' })
  connect({ session: 8 })
  await run(26_000)
  const of = (nodeId: string) => shown.flatMap(({ offers }) => offers.filter((one) => one.nodeId === nodeId))
  assert.equal(of('node_1')[0]?.receipts.length, 1)
  const some = of('node_2').length
  assert.ok(some > 0 && some <= 10, `${some} of a node that signs nothing`)
  await run(600_000)
  assert.ok(of('node_1').length <= 6, 'shown in vain it is shown less often')
  assert.equal(
    new Set(of('node_2').map(({ chain }) => chain)).size,
    80,
    'and each of its chains has its turn',
  )
})

function setup() {
  const world = createTestWorld()
  const { host } = world.machine('c')
  const state = emptyState()
  const events: CoordinatorEvent[] = []
  const turn = () => startTurn(state, host.clock.nowMs(), events)
  foundCell(turn(), { nodes: { node_1: 'key 1', node_2: 'key 2' } })
  const coordinator = {
    state,
    execute: (use: (of: ReturnType<typeof turn>) => unknown, done: (result: unknown) => void) =>
      done(use(turn())),
  } as unknown as Coordinator
  serveReceipts({
    ...{ ...host, crypto: simCrypto, coordinator, feeBps: 0, networkKey: 'ab'.repeat(32), keySecret: 's' },
  })
  const shown: ReceiptLeftovers[] = []
  host.bus.subscribe(receiptLeftoversTo('g1'), (message) =>
    shown.push(ReceiptLeftovers.parse(JSON.parse(message))),
  )
  const bodies = [1, 2].map((fence) => ({
    ...{ kind: 'task' as const, node: 'node_1', job: 'job', step: 0, task: 0, fence, files: 1 },
    ...{ outputBytes: 1, wallMs: 1, output: 'a'.repeat(43), atMs: 1 },
  }))
  const chain = madeChain(bodies, { of: 'tasks', session: 7 })
  const texts = bodies.map((body) => JSON.stringify(body))
  const digest = digestOf(simCrypto)
  const links = linksOf(digest, { chain: chain.id, from: 1, before: chain.id, texts })
  const receiptOf = (number: number): ExtraReceipt => ({
    ...{ number, hash: links[number - 1] ?? '', text: texts[number - 1] ?? '', organisationId: 'org_payer' },
  })
  const write = jsonWriter(ReceiptNews)
  return {
    state,
    events,
    shown,
    run: world.run,
    made: (number: number) => ({
      ...{ nodeId: 'node_1', chain: chain.id, facts: number === 1 ? chain.facts : null },
      receipt: receiptOf(number),
    }),
    signed: (number: number) => ({
      ...{ nodeId: 'node_1', facts: chain.facts, head: headOf(chain, number) },
      extra: Array.from({ length: number }, (_, index) => receiptOf(index + 1)),
    }),
    async tell(news: Partial<ReceiptNews>) {
      const message = write({ gatewayId: 'g1', signed: [], claims: [], asked: [], ...news })
      host.bus.request({ subject: subjects.receipts, message, timeoutMs: 1_000 }, () => undefined)
      await world.run(100)
    },
    connect({ session, nodeId = 'node_1' }: { session: number; nodeId?: string }) {
      const at = { nodeId, gatewayId: 'g1', session, nowMs: host.clock.nowMs() }
      turn().fleet({ kind: 'come_online', ...at })
    },
    rows() {
      const rows: ReceiptRow[] = []
      for (const event of events)
        if (event.type === 'receipts.made' || event.type === 'receipts.signed')
          collectReceipts(rows, event, 1)
      return rows
    },
  }
}
