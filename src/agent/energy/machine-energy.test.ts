import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMachineEnergy, type EnergyPiece, type MeterRound } from './machine-energy.ts'

test('without a plug the GPUs and the CPU count, as a lower bound', () => {
  const { take } = setup({ hasPlug: false })
  assert.deepEqual(take(0, { gpu: 200, cpuJoules: 0 }), { pieces: [], power: null })
  const { pieces, power } = take(10, { gpu: 300, cpuJoules: 500 })
  assert.deepEqual(pieces.map(brief), ['gpu 2500 J', 'cpu 500 J'])
  assert.deepEqual(power, { watts: 300, basis: 'parts', quality: 'measured' })
})

test('with a plug its energy counts, and the parts are a detail of it', () => {
  const { take } = setup()
  take(0, { gpu: 200, plug: 400 })
  const { pieces, power } = take(10, { gpu: 200, plug: 400 })
  assert.deepEqual(pieces.map(brief), ['plug 4000 J', 'gpu 2000 J of the plug'])
  assert.deepEqual(power, { watts: 400, basis: 'plug', quality: 'measured' })
})

test('a plug that was silent for a while bridges its own silence, and nothing counts twice', () => {
  const { take } = setup()
  take(0, { gpu: 200, plug: 400 })
  for (let second = 10; second <= 300; second += 10) assert.deepEqual(take(second, { gpu: 200 }).pieces, [])
  const { pieces } = take(310, { gpu: 200, plug: 400 })
  assert.equal(brief(pieces[0]), 'plug 124000 J interpolated')
  assert.equal(pieces.length, 32)
  assert.ok(pieces.slice(1).every((piece) => piece.isDetail))
})

test('a plug that stays silent leaves its time to the parts, until it answers twice again', () => {
  const { take } = setup()
  take(0, { gpu: 200, plug: 400 })
  const pieces: EnergyPiece[] = []
  for (let second = 10; second <= 1_000; second += 10) pieces.push(...take(second, { gpu: 200 }).pieces)
  assert.equal(pieces.length, 100)
  assert.ok(pieces.every((piece) => !piece.isDetail && piece.source === 'gpu'))
  assert.deepEqual(take(1_010, { gpu: 200, plug: 400 }).pieces.map(brief), ['gpu 2000 J'])
  assert.deepEqual(take(1_020, { gpu: 200, plug: 400 }).pieces.map(brief), [
    'plug 4000 J',
    'gpu 2000 J of the plug',
  ])
})

test('a plug that never answers is as good as none', () => {
  const { take } = setup()
  take(0, { gpu: 200 })
  assert.deepEqual(take(10, { gpu: 200 }).pieces.map(brief), ['gpu 2000 J'])
})

test('what waits for a silent plug counts when the agent stops', () => {
  const { take, flush } = setup()
  take(0, { gpu: 200, plug: 400 })
  take(10, { gpu: 200 })
  assert.deepEqual(flush().map(brief), ['gpu 2000 J'])
  assert.deepEqual(flush(), [])
})

test('the power is unknown while a part that told before is silent: the rest would pass for the whole', () => {
  const { take } = setup({ hasPlug: false })
  take(0, { gpu: 200, cpuJoules: 0 })
  const { pieces, power } = take(10, { cpuJoules: 500 })
  assert.deepEqual(pieces.map(brief), ['cpu 500 J'])
  assert.equal(power, null)
})

test('pieces lie at the wall time of their readings', () => {
  const { take } = setup({ hasPlug: false })
  take(0, { gpu: 200 })
  const [piece] = take(10, { gpu: 200 }).pieces
  assert.deepEqual([piece?.fromMs, piece?.toMs], [WALL_MS, WALL_MS + 10_000])
})

const brief = (piece: EnergyPiece | undefined): string =>
  piece === undefined
    ? 'nothing'
    : [
        `${piece.source} ${Math.round(piece.joules)} J`,
        ...(piece.quality === 'measured' ? [] : [piece.quality]),
        ...(piece.isDetail ? ['of the plug'] : []),
      ].join(' ')

const WALL_MS = 1_800_000_000_000

function setup({ hasPlug = true } = {}) {
  const machine = createMachineEnergy({
    hasPlug,
    limits: { measuredMsMax: 30_000, interpolatedMsMax: 600_000 },
  })
  const round = (second: number, told: { gpu?: number; plug?: number; cpuJoules?: number }): MeterRound => {
    const atMs = second * 1_000
    const counter = { energyUj: (told.cpuJoules ?? 0) * 1e6, rangeUj: 262_143_328_850 }
    return {
      elapsedMs: atMs,
      nowMs: WALL_MS + atMs,
      gpu: told.gpu === undefined ? null : { atMs, watts: told.gpu },
      cpu: told.cpuJoules === undefined ? null : { atMs, counters: new Map([['intel-rapl:0', counter]]) },
      plug: told.plug === undefined ? null : { atMs, watts: told.plug, wattHours: null },
    }
  }
  return {
    take: (second: number, told: Parameters<typeof round>[1]) => machine.take(round(second, told)),
    flush: machine.flush,
  }
}
