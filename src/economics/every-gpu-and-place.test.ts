/** Each GPU of the catalogue in each of its places: nothing crashes, nothing is made up, every number has its unit. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assess, type RoiReport } from './economics.ts'
import { shippedCatalogue } from './test-catalogue.ts'

const catalogue = shippedCatalogue()

test('86 GPUs in 153 places: a full account, or the names of what is missing', () => {
  let [complete, asked] = [0, 0]
  for (const gpu of catalogue.gpus) {
    for (const place of catalogue.places) {
      const report = setup({ gpu: gpu.id, country: place.code })
      assertSound(report)
      const missing = report.unknowns.filter(({ blocks }) => blocks === 'everything')
      assert.equal(report.account === null, missing.length > 0, `${gpu.id} in ${place.code}`)
      const isAsked = missing.some(({ name }) => name === 'electricity')
      assert.equal(isAsked, place.residential_usd_kwh === null)
      if (report.account) complete++
      else asked++
    }
  }
  assert.equal(complete + asked, 86 * 153)
  // 47 GPUs have a rental price, and 98 places a household's.
  assert.equal(complete, 47 * 98)
})

test('55 places lack a price for households, and each asks for it by its flag', () => {
  const asking = catalogue.places.filter(({ code }) =>
    setup({ gpu: 'rtx-4090', country: code }).unknowns.some(({ flag }) => flag === '--kwh'),
  )
  assert.equal(asking.length, 55)
})

test('every GPU has a forecast once its price and its power are said', () => {
  for (const gpu of catalogue.gpus) {
    const given = {
      electricityPerKwh: 0.2,
      pricePerGpuHour: 0.5,
      loadWatts: 700,
      idleWatts: 90,
      purchase: 2_000,
    }
    const report = setup({ gpu: gpu.id, ...given }, 50)
    assertSound(report)
    assert.ok(report.forecast?.economic, gpu.id)
    assert.deepEqual(report.unknowns, [])
  }
})

/** How a name ends that says the unit of its number, or that it is a count, a share or a number of a list. */
const unit =
  /(usd|usdPerDay|usdPerKwh|usdPerGpuHour|usdPerGpuDay|kwhPerDay|watts|share|utilisation|availability|perYear|perMonth|deviation|efficiency|pue|trials|days|daysDown|ageDays|years|months|month|vramGb|count|gpuCount|paths|seed|correlations)$/i
/** Their unit is a field beside them. */
const withUnitBeside = /^(inputs|tornado)\.\d+\.(value|low|high)$/

function assertSound(value: unknown, path = ''): void {
  if (typeof value === 'number') {
    assert.ok(Number.isFinite(value), `${path} is ${value}`)
    // The members of a list, of a range or of percentiles have the unit of the whole.
    const names = path
      .split('.')
      .filter((name) => !/^\d+$|^(p5|p50|p95|from|to|min|max|mean|low|high)$/.test(name))
    assert.ok(withUnitBeside.test(path) || names.some((name) => unit.test(name)), `${path} has no unit`)
  } else if (value !== null && typeof value === 'object') {
    for (const [name, member] of Object.entries(value))
      assertSound(member, path === '' ? name : `${path}.${name}`)
  }
}

function setup(input: Parameters<typeof assess>[1], paths = 0): RoiReport {
  const report = assess(catalogue, input, { paths })
  assert.equal(report.kind, 'report', JSON.stringify(report))
  return report as RoiReport
}
