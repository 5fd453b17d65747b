import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { MetricDefinition } from '#host/metrics.ts'
import { createMetrics } from '#host/metrics.ts'
import { openMetricsPage } from '#host/node/metrics-text.ts'
import { metricTables } from './metric-tables.ts'

/** The page has a table for each part, made from the definitions; `UPDATE_GOLDEN=1` writes them anew. */
const PAGE = new URL('../../docs/operating/observability.md', import.meta.url)
const BEGIN = '<!-- metrics: made from src/run/metric-tables.ts -->\n'
const END = '<!-- end of metrics -->'

const all: readonly MetricDefinition[] = Object.values(metricTables).flatMap((table) => Object.values(table))

test('every metric is on the page, as the code has it', () => {
  const page = readFileSync(PAGE, 'utf8')
  const [head, rest] = page.split(BEGIN)
  const [found, tail] = (rest ?? '').split(END)
  assert.ok(head && tail !== undefined, 'the page has a place for the tables')
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(PAGE, `${head}${BEGIN}${tablesText()}${END}${tail}`)
  else assert.equal(found, tablesText())
})

test('no name is there twice', () => assert.equal(new Set(all.map(({ name }) => name)).size, all.length))

/** What `promtool check metrics` complains of. */
for (const { name, kind, help, labels, buckets = [] } of all) {
  test(`${name} keeps to the conventions of Prometheus`, () => {
    assert.match(name, /^shoal_[a-z0-9]+(_[a-z0-9]+)*$/)
    assert.equal(
      name.endsWith('_total'),
      kind === 'counter',
      'a counter ends in _total, and nothing else does',
    )
    assert.doesNotMatch(name, /_(ms|milliseconds|minutes|hours|kb|mb|bucket|count|sum|info_total)(_|$)/)
    assert.doesNotMatch(name, /_(counter|gauge|histogram)(_|$)/)
    assert.match(help, /^[A-Z1].*\.$/)
    for (const label of labels) {
      assert.match(label, /^[a-z][a-z_]*$/)
      assert.doesNotMatch(
        label,
        /^(le|quantile|job|instance)$|id$|key|organisation|node$|request/,
        'few values',
      )
    }
    assert.deepEqual(
      buckets.toSorted((a, b) => a - b),
      [...buckets],
    )
    assert.equal(buckets.length > 0, kind === 'histogram')
    if (kind === 'histogram') assert.match(name, /_(seconds|per_second)$/)
    if (/seconds$/.test(name) && kind === 'histogram' && !/per_second/.test(name))
      assert.match(help, /seconds/)
  })
}

test('the text is what Prometheus reads: buckets add up, and names are escaped', async () => {
  const { wait, count } = createMetrics({
    wait: { name: 'shoal_wait_seconds', kind: 'histogram', help: 'H.', labels: ['model'], buckets: [0.1, 1] },
    count: { name: 'shoal_things_total', kind: 'counter', help: 'H.', labels: ['model'] },
  })
  const model = 'a "quoted"\\\nname'
  for (const value of [0.05, 0.1, 0.5, 7]) wait.of(model).observe(value)
  wait.of(model).observe(0.2, 3)
  count.of(model).add(2)
  const page = await openMetricsPage([wait, count], () => undefined)
  const lines = (await page.text()).split('\n').filter((line) => line.startsWith('shoal_'))
  const label = 'model="a \\"quoted\\"\\\\\\nname"'
  assert.deepEqual(lines, [
    `shoal_wait_seconds_bucket{le="0.1",${label}} 2`,
    `shoal_wait_seconds_bucket{le="1",${label}} 6`,
    `shoal_wait_seconds_bucket{le="+Inf",${label}} 7`,
    `shoal_wait_seconds_sum{${label}} 8.25`,
    `shoal_wait_seconds_count{${label}} 7`,
    `shoal_things_total{${label}} 2`,
  ])
})

function tablesText(): string {
  return Object.entries(metricTables)
    .map(([part, table]) => {
      const rows = Object.values(table).map(
        ({ name, kind, labels, help }) =>
          `| \`${name}\` | ${kind} | ${labels.map((label) => `\`${label}\``).join(' ')} | ${help} |`,
      )
      return `\n### ${part}\n\n| metric | kind | labels | what |\n|---|---|---|---|\n${rows.join('\n')}\n`
    })
    .join('')
}
