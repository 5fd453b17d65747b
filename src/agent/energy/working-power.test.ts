import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OwnFigures } from './own-figures.ts'
import { assumedTaskWatts, assumedWatts, type PowerKnowledge, workingPower } from './working-power.ts'

test('what the owner says goes before what was measured, and that before what is assumed', () => {
  const all = { given: watts(500, 100), figures: measured({ hours: 80 }), assumed: watts(300, 100) }
  const given = know(all)
  assert.deepEqual([given?.source, given?.extraKwhPerGpuHour], ['given', 0.4])
  const own = know({ ...all, given: null })
  assert.deepEqual([own?.source, own?.extraKwhPerGpuHour], ['measured', 0.35])
  assert.equal(know({ ...all, given: null, figures: measured({ hours: 71 }) })?.source, 'assumed')
  assert.equal(know({ given: null, figures: measured({ hours: 0 }), assumed: null }), null)
})

test('work that was sold at half its capacity costs twice as much for what it pays', () => {
  const figures = { ...measured({ hours: 80 }), extraKwhPerGpuHour: { value: 0.7, hours: 20 } }
  assert.equal(know({ figures })?.extraKwhPerGpuHour, 0.7)
})

test('several GPUs share what the machine draws', () => {
  assert.equal(know({ given: watts(900, 100), gpuCount: 4 })?.extraKwhPerGpuHour, 0.2)
  assert.equal(know({ given: watts(900, 100), gpuCount: 0 })?.extraKwhPerGpuHour, 0.8)
})

test('it says what a figure rests on, and where it is a lower bound', () => {
  const because = (basis: 'plug' | 'parts'): string =>
    know({ figures: measured({ hours: 80, basis }) })?.because ?? ''
  assert.equal(because('plug'), '450 W at load, 100 W idle, measured here at the plug over 80 h')
  assert.match(because('parts'), /at its parts, so a lower bound/)
  assert.match(know({ assumed: watts(500, 100) })?.because ?? '', /assumed .* until 72 h are measured/)
})

test('a machine is assumed from the power limits of its cards, or not at all', () => {
  const rtx = { name: 'NVIDIA GeForce RTX 4090', powerLimitWatts: 450 }
  assert.deepEqual(rounded(assumedWatts([rtx])), { loadWatts: 521, idleWatts: 89 })
  const h100 = { name: 'NVIDIA H100 80GB HBM3', powerLimitWatts: 700 }
  assert.equal(rounded(assumedWatts([h100, h100]))?.idleWatts, 200)
  assert.equal(assumedWatts([rtx, { name: 'NVIDIA GB10', powerLimitWatts: null }]), null)
  assert.equal(assumedWatts([]), null)
})

test('tasks on the processor are assumed to leave the cards alone', () => {
  const rtx = { name: 'NVIDIA GeForce RTX 4090', powerLimitWatts: 450 }
  assert.deepEqual(rounded(assumedTaskWatts([rtx], 'CPU')), { loadWatts: 111, idleWatts: 67 })
  assert.deepEqual(assumedTaskWatts([], 'CPU'), assumedTaskWatts([rtx], 'CPU'))
  assert.deepEqual(assumedTaskWatts([rtx], 'OPTIX'), assumedWatts([rtx]))
})

const watts = (loadWatts: number, idleWatts: number) => ({ loadWatts, idleWatts })
const rounded = (found: ReturnType<typeof assumedWatts>) =>
  found && { loadWatts: Math.round(found.loadWatts), idleWatts: Math.round(found.idleWatts) }

const NOTHING = { value: null, hours: 0 }
const measured = ({ hours, basis = 'plug' }: { hours: number; basis?: 'plug' | 'parts' }): OwnFigures => ({
  calendarHours: hours,
  sinceMs: 0,
  basis,
  idleWatts: { value: 100, hours: hours / 2 },
  loadWatts: { value: 450, hours: hours / 2 },
  utilisation: NOTHING,
  availability: NOTHING,
  extraKwhPerGpuHour: NOTHING,
  kwhPerDay: NOTHING,
  expectedGrossUsdPerDay: NOTHING,
  expectedNetUsdPerDay: NOTHING,
  feeShare: NOTHING,
  usdPerBusyHour: NOTHING,
  usdPerGpuHour: NOTHING,
  usdPerKwh: NOTHING,
  electricityUsdPerDay: NOTHING,
})

const know = (some: Partial<PowerKnowledge>) =>
  workingPower({
    given: null,
    figures: measured({ hours: 0 }),
    hoursMin: 72,
    assumed: null,
    gpuCount: 1,
    ...some,
  })
