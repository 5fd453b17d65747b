import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCatalogue } from '#economics/catalogue.ts'
import { assess } from '#economics/economics.ts'
import type { RoiInput } from '#economics/roi-input.ts'
import { readDataFiles } from '#host/node/data-files.ts'
import { formatReport } from './roi-report.ts'

const catalogue = parseCatalogue(readDataFiles())

test('each GPU of the catalogue has a report without a hole, and what is unknown is named with its option', () => {
  for (const gpu of catalogue.gpus) {
    const { text, report } = reportOf({ gpu: gpu.id, electricityPerKwh: 0.2 })
    assertWhole(text, gpu.id)
    for (const { flag, label } of report.unknowns)
      assert.ok(text.includes(`? ${label} (${flag}, in `), gpu.id)
    if (report.account) assert.match(text, /A MEAN DAY .*USD\/DAY/, gpu.id)
  }
})

test('each place has one too; where its price is not known, the bill is asked for', () => {
  for (const place of catalogue.places) {
    const { text } = reportOf({ gpu: 'RTX 4090', country: place.code }, 0)
    assertWhole(text, place.code)
    if (place.residential_usd_kwh === null) assert.match(text, /\? price of electricity \(--kwh/, place.code)
    else assert.match(text, /households in /, place.code)
  }
})

test('the account adds up: rent less each cost is the cash, and less the fall in value the net', () => {
  const { report, text } = reportOf({ gpu: 'RTX 4090', electricityPerKwh: 0.12, pue: 1.2, gasPerDay: 0.5 })
  assert.ok(report.account)
  for (const what of ['fees', 'transactions', 'electricity', 'cooling', 'fixed costs', 'fall in value'])
    assert.match(text, new RegExp(`^${what}.* -\\$`, 'm'))
  const amounts = [
    ...text.matchAll(/^(what renters|fees|transactions|electricity,|cooling,|fixed).*? (-?)\$([\d.]+) /gm),
  ]
  const sum = amounts.reduce((total, [, , sign, usd]) => total + (sign ? -1 : 1) * Number(usd), 0)
  assert.ok(Math.abs(sum - report.account.cashUsdPerDay) < 0.03, `${sum}`)
})

test('the verdict is the first line, and says when it is an upper bound', () => {
  const { text, report } = reportOf({ gpu: 'RTX 4090', electricityPerKwh: 0.12, utilisation: 0.9 })
  assert.equal(text.split('\n')[0], report.verdict)
  assert.match(text, /^! Upper bound: the rental price is a list price\.$/m)
  assert.match(text, /^! Upper bound: 90 % of all hours are rarely rented\.$/m)
})

test('without the value of the machine nothing is said of all costs', () => {
  const { text } = reportOf({ gpu: 'H100 SXM', electricityPerKwh: 0.1 })
  assert.match(text, /^cash cost of a rented hour/m)
  assert.doesNotMatch(text, /all costs|whole cost/)
})

test('every input has its value with a unit, its origin, its date and how to change it', () => {
  for (const columns of [null, 60]) {
    const { text, report } = reportOf({ gpu: 'RTX 4090', electricityPerKwh: 0.12 }, 0, columns)
    const flat = text.replaceAll(/\s+/g, ' ')
    for (const { label, flag, asOf, source } of report.inputs) {
      const at = flat.indexOf(` ${label} `, flat.indexOf('What went in'))
      const entry = flat.slice(at, at + 500)
      for (const part of [
        flag,
        asOf ?? 'given',
        source.replace(/^assumption(: )?/, '').replaceAll(/\s+/g, ' '),
      ])
        assert.ok(at >= 0 && entry.includes(part), `${label}: ${part}`)
    }
  }
})

test("the buyer's break-even is a range as well as the owner's", () => {
  const { text } = reportOf({ gpu: 'RTX 4090', electricityPerKwh: 0.12 })
  for (const who of ['owner', 'buyer'])
    assert.match(text, new RegExp(`^${who} breaks even( +-?\\$[\\d.]+/kWh){3}$`, 'm'))
})

test('no line is wider than the page, whatever the GPU and however narrow', () => {
  const inputs: RoiInput[] = [
    { gpu: 'RTX 4090', electricityPerKwh: 0.12 },
    { gpu: 'RTX 3060', country: 'DE' },
    { gpu: 'H100 SXM', country: 'US-CA', gpuCount: 8, purchase: 200_000, pue: 1.3, gasPerDay: 0.5 },
    { gpu: 'RTX 4060', country: 'AT' },
    {
      gpu: 'RTX PRO 6000 Blackwell Server Edition',
      electricityPerKwh: 0.2,
      pricePerGpuHour: 1.5,
      utilisation: 0.9,
    },
  ]
  for (const columns of [60, 80, 120])
    for (const input of inputs) {
      const { text } = reportOf(input, 50, columns)
      for (const line of text.split('\n'))
        assert.ok([...line].length <= columns, `${columns} ${input.gpu}: ${line}`)
    }
})

test('in a narrow terminal sources are folded, not cut', () => {
  for (const columns of [60, 100, 160]) {
    const { text, report } = reportOf({ gpu: 'RTX 4090', electricityPerKwh: 0.12 }, 0, columns)
    const flat = text.replaceAll(/\s+/g, ' ')
    for (const word of report.inputs.flatMap(({ source }) => source.split(' ')))
      assert.ok(flat.includes(word.replace(/^assumption$/, '')), word)
  }
})

test('the three questions are answered with a word and its figures', () => {
  const { text } = reportOf({ gpu: 'RTX 4090', electricityPerKwh: 0.12 }, 2_000)
  assert.match(
    text,
    /^Run the one you own\? {2}Yes, at the list price\n {2}\$.* a day is left .* you pay \$0\.12\./m,
  )
  assert.match(text, /^Buy one\? +A coin toss\n {2}For \$2,470, .* futures lose\.$/m)
  assert.match(
    reportOf({ gpu: 'RTX 4090', electricityPerKwh: 1.5 }, 2_000).text,
    /^Run the one you own\? {2}No$/m,
  )
  assert.match(
    reportOf({ gpu: 'RTX 4090' }, 0).text,
    /^Run the one you own\? {2}Not known yet\n {2}Tell the price of electricity \(--kwh\)\. Yes below \$0\.38\/kWh\.$/m,
  )
})

function assertWhole(text: string, of: string): void {
  assert.doesNotMatch(text, /NaN|Infinity|undefined|null|\[object/, of)
}

function reportOf(input: RoiInput, paths = 50, columns: number | null = null) {
  const report = assess(catalogue, input, { paths, nowMs: Date.UTC(2026, 10, 22) })
  assert.equal(report.kind, 'report')
  return { report, text: formatReport(report, { style: (_tone, text) => text, columns }) }
}
