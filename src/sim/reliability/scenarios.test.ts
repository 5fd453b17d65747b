import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { runScenario, scenarios } from './scenarios.ts'

for (const name of ['replay', 'join-storm'])
  test(`${name} keeps what is promised, in its quick form`, async () => {
    const { text } = await runScenario(name, { seed: 1, isQuick: true, isJson: true })
    const { figures, promises } = JSON.parse(text) as { figures: object; promises: Record<string, boolean> }
    const broken = Object.keys(promises).filter((promise) => promises[promise] !== true)
    assert.deepEqual(broken, [], JSON.stringify(figures))
  })

test('each scenario is in the docs', () => {
  const page = readFileSync(new URL('../../../docs/operating/simulator.md', import.meta.url), 'utf8')
  assert.deepEqual(
    Object.keys(scenarios).filter((name) => !page.includes(`\`${name}\``)),
    [],
  )
})
