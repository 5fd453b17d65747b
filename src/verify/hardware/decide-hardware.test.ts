import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import { type HardwareCommand, hardwareBar, type JudgeCommand } from './decide-hardware.ts'
import { DOUBTS_MAX, FORGERIES_MAX, GRACE_MS } from './hardware.ts'
import type { ProofFault } from './hardware-events.ts'
import { joinLimitsDefault, networkOf } from './join-limits.ts'
import { openHardware, type TestHardware } from './test-hardware.ts'

test('a node is barred until all its devices are proven', () => {
  const { hardware, bar } = setup()
  assert.equal(bar('a'), 'unproven')
  claim(hardware, 'a', ['cpu', 'card'])
  prove(hardware, 'a', 'cpu')
  assert.equal(bar('a'), 'unproven')
  prove(hardware, 'a', 'card')
  assert.equal(bar('a'), null)
})

test('a network that asks for no proofs bars nobody', () => {
  const { hardware, bar } = setup()
  hardware.run({ kind: 'set_policy', isRequired: false, nowMs: 5 })
  assert.equal(bar('a'), null)
})

test('what was here before the network asked has a week, unless what it shows is false', () => {
  const { hardware, bar } = setup({ requiredAtMs: 100 })
  const old = (nodeId: string) => bar(nodeId, 50)
  assert.equal(old('a'), null)
  claim(hardware, 'a')
  assert.equal(old('a'), null)
  fail(hardware, 'a', 'row_wrong')
  assert.equal(old('a'), 'unproven')
  assert.deepEqual(hardware.run({ kind: 'keep_time', nowMs: 99 + GRACE_MS }), [])
  assert.equal(old('b'), null)
  assert.deepEqual(hardware.run({ kind: 'keep_time', nowMs: 100 + GRACE_MS }), ['grace_over'])
  assert.equal(old('b'), 'unproven')
  assert.deepEqual(hardware.run({ kind: 'keep_time', nowMs: 101 + GRACE_MS }), [])
})

test('one forgery bars a proven node, three in a row put it into quarantine, and an operator lets it out', () => {
  const { hardware, bar } = setup()
  claim(hardware, 'a')
  prove(hardware, 'a')
  for (let times = 1; times < FORGERIES_MAX; times++) {
    assert.deepEqual(fail(hardware, 'a', 'row_wrong'), ['failed'])
    assert.equal(bar('a'), 'unproven')
  }
  assert.deepEqual(fail(hardware, 'a', 'path_wrong'), ['failed', 'quarantined'])
  assert.equal(bar('a'), 'quarantined')
  assert.deepEqual(prove(hardware, 'a'), ['proven'], 'a proof does not lift it')
  assert.equal(bar('a'), 'quarantined')
  assert.deepEqual(release(hardware, 'a'), ['released'])
  assert.equal(bar('a'), null)
  assert.equal(release(hardware, 'a'), 'not_quarantined')
  assert.equal(release(hardware, 'nobody'), 'node_unknown')
})

test('a bar for a forgery stays when the device is named no more, and its card is still there', () => {
  const { hardware, bar } = setup()
  const able = (devices: readonly string[], cards: readonly string[]) =>
    claim(hardware, 'a', devices, { cards })
  able(['cpu', 'GPU-1'], ['GPU-1'])
  prove(hardware, 'a', 'cpu')
  fail(hardware, 'a', 'row_wrong', 'GPU-1')
  able(['cpu'], ['GPU-1'])
  assert.equal(bar('a'), 'unproven')
  assert.deepEqual(able(['cpu'], ['GPU-1']), [], 'said again, it fills no journal')
  able(['cpu', 'GPU-1'], ['GPU-1'])
  prove(hardware, 'a', 'GPU-1')
  assert.equal(bar('a'), null, 'a proof of it lifts it')
  fail(hardware, 'a', 'row_wrong', 'GPU-1')
  able(['cpu'], [])
  assert.equal(bar('a'), null, 'who sells the card no more has nothing to prove of it')
})

test('a card that was proven and then refuted bars its node also under silence, one that nothing can prove does not', () => {
  const { hardware, bar } = setup()
  const rows: [ProofFault, string | null][] = [
    ['answer_missing', 'unproven'],
    ['too_slow', 'unproven'],
    ['prover_failed', null],
    ['memory_short', null],
  ]
  for (const [fault, expected] of rows) {
    claim(hardware, 'a', ['cpu', 'GPU-1'], { cards: ['GPU-1'] })
    prove(hardware, 'a', 'cpu')
    prove(hardware, 'a', 'GPU-1')
    for (let times = 0; times < DOUBTS_MAX; times++) fail(hardware, 'a', fault, 'GPU-1')
    claim(hardware, 'a', ['cpu'], { cards: ['GPU-1'] })
    assert.equal(bar('a'), expected, fault)
  }
})

test('another name, another device and a doubt between are no new beginning for who forges', () => {
  const ways: ((hardware: TestHardware, times: number) => string)[] = [
    () => 'GPU-1',
    (_hardware, times) => `GPU-${times}`,
    (hardware) => {
      fail(hardware, 'a', 'prover_failed', 'GPU-1')
      return 'GPU-1'
    },
  ]
  for (const [at, next] of ways.entries()) {
    const { hardware, bar } = setup()
    claim(hardware, 'a', ['cpu', 'GPU-1'])
    for (let times = 1; times <= FORGERIES_MAX; times++) {
      const deviceId = next(hardware, times)
      const devices = ['cpu', deviceId].map((id) => ({ deviceId: id, deviceClass: `${id} ${times}` }))
      const told = { kind: 'claim', nodeId: 'a', organisationId: 'ada', devices, nowMs: 10 } as const
      hardware.run({ ...told, cardIds: [deviceId] })
      fail(hardware, 'a', 'row_wrong', deviceId)
    }
    assert.equal(bar('a'), 'quarantined', `way ${at}`)
    release(hardware, 'a')
    assert.deepEqual(fail(hardware, 'a', 'row_wrong', 'cpu'), ['failed'], 'once let out, it begins anew')
  }
})

test('a card that is asked for a part is held against others that were, and takes its time to begin', () => {
  const { hardware } = setup()
  const answer = (nodeId: string, computeMs: number, rows: number, isPart: boolean) =>
    judge(hardware, nodeId, 'card', { computeMs, products: 1_000, rows, isPart })
  for (const nodeId of ['a', 'b', 'c', 'd', 'e', 'f']) {
    claim(hardware, nodeId, ['card'], { owner: nodeId })
    answer(nodeId, 8_000, 2 ** 20, false)
    answer(nodeId, 1_000, 2 ** 14, true)
  }
  assert.deepEqual(answer('a', 8_000, 2 ** 20, false), ['proven'])
  assert.deepEqual(answer('a', 1_000, 2 ** 20, false), ['failed'])
  assert.deepEqual(answer('a', 300, 2 ** 14, true), ['proven'])
  assert.deepEqual(answer('a', 3_500, 2 ** 14, true), ['proven'])
  assert.deepEqual(answer('a', 3_501, 2 ** 14, true), ['failed'])
})

test('doubts bar a proven node only when there are some in a row', () => {
  const { hardware, bar } = setup()
  claim(hardware, 'a')
  prove(hardware, 'a')
  for (let times = 1; times < DOUBTS_MAX; times++) fail(hardware, 'a', 'answer_missing')
  assert.equal(bar('a'), null)
  prove(hardware, 'a')
  for (let times = 1; times <= DOUBTS_MAX; times++) fail(hardware, 'a', 'answer_missing')
  assert.equal(bar('a'), 'unproven')
  prove(hardware, 'a')
  assert.equal(bar('a'), null)
})

test('a card that two owners claim puts both into quarantine, and the honest one comes back by a proof', () => {
  const { hardware, bar } = setup()
  claim(hardware, 'a', ['GPU-1'], { owner: 'ada', cards: ['GPU-1'] })
  prove(hardware, 'a', 'GPU-1')
  const second = claim(hardware, 'b', ['GPU-1'], { owner: 'bob', cards: ['GPU-1'] })
  assert.deepEqual(second, ['devices_claimed', 'quarantined', 'quarantined'])
  assert.deepEqual([bar('a'), bar('b')], ['quarantined', 'quarantined'])
  assert.deepEqual(prove(hardware, 'a', 'GPU-1'), ['proven'], 'as long as the other claims it')
  claim(hardware, 'b', ['cpu'], { owner: 'bob', cards: [] })
  assert.deepEqual(prove(hardware, 'a', 'GPU-1'), ['proven', 'released'])
  assert.equal(bar('a'), null)
})

test('what stands in for an id, by the place of a card, is of nobody: integrated graphics of two owners are two cards', () => {
  const { hardware } = setup()
  for (const [at, id] of ['amd-11131', 'amd-0', 'nvidia-0', '11131'].entries()) {
    claim(hardware, `a${at}`, ['cpu'], { owner: 'ada', cards: [id] })
    assert.deepEqual(
      claim(hardware, `b${at}`, ['cpu'], { owner: 'bob', cards: [id] }),
      ['devices_claimed'],
      id,
    )
  }
})

test('one owner may name a card on two nodes of his', () => {
  const { hardware } = setup()
  claim(hardware, 'a', ['cpu'], { owner: 'ada', cards: ['GPU-1'] })
  assert.deepEqual(claim(hardware, 'b', ['cpu'], { owner: 'ada', cards: ['GPU-1'] }), ['devices_claimed'])
})

test('a card is held against the times of its class: half of the median and one and a half of it', () => {
  const { hardware } = setup()
  for (const nodeId of ['a', 'b', 'c', 'd', 'e', 'f']) {
    claim(hardware, nodeId, ['card'], { owner: nodeId })
    prove(hardware, nodeId, 'card', 1_000)
  }
  const rows = [
    [499, ['failed'], 'too_fast'],
    [500, ['proven'], undefined],
    [1_500, ['proven'], undefined],
    [1_501, ['failed'], 'too_slow'],
  ] as const
  for (const [computeMs, events, fault] of rows) {
    assert.deepEqual(prove(hardware, 'a', 'card', computeMs), events, `${computeMs} ms`)
    assert.equal(hardware.state.nodes.get('a')?.devices.get('card')?.failure?.fault, fault)
  }
})

test('one owner makes no distribution of his own', () => {
  const { hardware } = setup()
  for (const nodeId of ['a', 'b', 'c', 'd', 'e', 'f']) {
    claim(hardware, nodeId, ['card'], { owner: 'ada' })
    prove(hardware, nodeId, 'card', 50_000)
  }
  claim(hardware, 'honest', ['card'], { owner: 'bob' })
  assert.deepEqual(prove(hardware, 'honest', 'card', 1_000), ['proven'])
})

test('what no device can do in that time is too fast, also before anything is known of its class', () => {
  const { hardware } = setup()
  claim(hardware, 'a', ['cpu'])
  const outcome = { computeMs: 0.1, products: 1e9 }
  assert.deepEqual(judge(hardware, 'a', 'cpu', outcome), ['failed'])
  assert.equal(hardware.state.nodes.get('a')?.devices.get('cpu')?.failure?.fault, 'too_fast')
})

test('a processor that is busy is as good as one that is not', () => {
  const { hardware } = setup()
  for (const [at, nodeId] of ['a', 'b', 'c', 'd', 'e', 'f'].entries()) {
    claim(hardware, nodeId, ['cpu'], { owner: nodeId })
    assert.deepEqual(prove(hardware, nodeId, 'cpu', at === 5 ? 30_000 : 300), ['proven'])
  }
})

test('what nobody asked for is noted at most once a minute', () => {
  const { hardware } = setup()
  const refuse = (nowMs: number) =>
    hardware.run({ kind: 'refuse_answer', nodeId: 'a', reason: 'challenge_unknown', nowMs })
  assert.equal(refuse(0), 'node_unknown')
  claim(hardware, 'a')
  assert.deepEqual(refuse(10), ['answer_refused'])
  assert.deepEqual(refuse(10 + MINUTE_MS - 1), [])
  assert.deepEqual(refuse(10 + MINUTE_MS), ['answer_refused'])
})

test('nothing is judged of what was never claimed', () => {
  const { hardware } = setup()
  assert.equal(prove(hardware, 'a'), 'node_unknown')
  claim(hardware, 'a', ['cpu'])
  assert.equal(prove(hardware, 'a', 'card'), 'device_unknown')
})

test('twenty nodes of an owner and three of a network join within a day, those that worked not counted', () => {
  const { hardware } = setup()
  let worked = ''
  const join = (nodeId: string, owner: string, network: string | null, nowMs = 0) =>
    hardware.run({
      ...{ kind: 'join', nodeId, organisationId: owner, network, limits: joinLimitsDefault, nowMs },
      hasWorked: (id) => id === worked,
    })
  for (let index = 0; index < 20; index++) assert.deepEqual(join(`a${index}`, 'ada', null), ['joined'])
  assert.equal(join('a20', 'ada', null), 'owner_joins_too_many')
  worked = 'a3'
  assert.deepEqual(join('a20', 'ada', null), ['joined'])
  assert.equal(join('a21', 'ada', null, DAY_MS - 1), 'owner_joins_too_many')
  assert.deepEqual(join('a21', 'ada', null, DAY_MS), ['joined'])
  for (const owner of ['b', 'c', 'd']) assert.deepEqual(join(owner, owner, '203.0.113.0/24'), ['joined'])
  assert.equal(join('e', 'e', '203.0.113.0/24'), 'network_joins_too_many')
  assert.deepEqual(join('e', 'e', '203.0.114.0/24'), ['joined'])
  hardware.run({ kind: 'keep_time', nowMs: DAY_MS + HOUR_MS })
  assert.deepEqual([...hardware.state.joins.keys()], ['a21'])
})

test('a network is the first three numbers of an address that strangers can have, of IPv6, too', () => {
  const rows = [
    ['203.0.113.9', '203.0.113.0/24'],
    ['::ffff:203.0.113.9', '203.0.113.0/24'],
    ['10.1.2.3', null],
    ['127.0.0.1', null],
    ['172.20.0.1', null],
    ['100.64.0.1', null],
    ['2001:db8::1', null],
    ['2a00:1450:4001:82b::2003', '2a00:1450:4001::/48'],
    ['2A00:1450:4001:0::1', '2a00:1450:4001::/48'],
    ['2600::1', '2600:0:0::/48'],
    ['2a00:1450:4001:1:2:3:4:5', '2a00:1450:4001::/48'],
    ['2a00:1450:4001:1:2:3:4:5:6', null],
    ['2a00:1450:4001:1:2:3:4::5', null],
    ['2a00::1::2', null],
    ['2a00:145000::1', null],
    ['fe80::1', null],
    ['fd12:3456::1', null],
    ['::1', null],
    ['300.1.1.1', null],
    ['', null],
    [undefined, null],
  ] as const
  for (const [address, network] of rows) assert.equal(networkOf(address), network, String(address))
})

function claim(
  hardware: TestHardware,
  nodeId: string,
  devices: readonly string[] = ['cpu'],
  { owner = 'ada', cards = [] }: { owner?: string; cards?: readonly string[] } = {},
) {
  const told = devices.map((deviceId) => ({
    deviceId,
    deviceClass: deviceId === 'cpu' ? 'cpu' : 'cuda card',
  }))
  return hardware.run({
    ...{ kind: 'claim', nodeId, organisationId: owner, devices: told, cardIds: cards, nowMs: 10 },
  } satisfies HardwareCommand)
}

const judge = (hardware: TestHardware, nodeId: string, deviceId: string, outcome: JudgeCommand['outcome']) =>
  hardware.run({ kind: 'judge', nodeId, deviceId, why: 'random', outcome, nowMs: 20 })

const prove = (hardware: TestHardware, nodeId: string, deviceId = 'cpu', computeMs = 100) =>
  judge(hardware, nodeId, deviceId, { computeMs, products: 1_000 })

const fail = (hardware: TestHardware, nodeId: string, fault: ProofFault, deviceId = 'cpu') =>
  judge(hardware, nodeId, deviceId, { fault, detail: 'so it is' })

const release = (hardware: TestHardware, nodeId: string) =>
  hardware.run({ kind: 'release', nodeId, by: 'operator', nowMs: 30 })

function setup({ requiredAtMs = 0 } = {}) {
  const hardware = openHardware()
  hardware.run({ kind: 'set_policy', isRequired: true, nowMs: requiredAtMs })
  const bar = (nodeId: string, enrolledAtMs = requiredAtMs + 1) =>
    hardwareBar(hardware.state, { id: nodeId, enrolledAtMs })
  return { hardware, bar }
}
