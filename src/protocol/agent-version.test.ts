import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AGENT_PROTOCOL, AGENT_PROTOCOL_UNSAID, highestCommon, versionsApart } from './agent-version.ts'

const range = (min: number, max: number) => ({ min, max })

test('two sides take the highest version that both speak, whichever asks', () => {
  const rows = [
    [range(1, 1), range(1, 1), 1],
    [range(1, 2), range(1, 1), 1],
    [range(1, 2), range(2, 3), 2],
    [range(1, 3), range(1, 3), 3],
    [range(1, 2), range(3, 4), null],
    [range(2, 1), range(1, 2), null],
  ] as const
  for (const [a, b, common] of rows) {
    assert.equal(highestCommon(a, b), common)
    assert.equal(highestCommon(b, a), common)
  }
})

test('this release still speaks with the one before it', () => {
  assert.equal(highestCommon(AGENT_PROTOCOL, AGENT_PROTOCOL_UNSAID), 1)
})

test('sides that have no version in common are told which of them is the older', () => {
  assert.equal(
    versionsApart({ network: range(3, 4), agent: range(1, 2) }),
    'This network speaks agent protocol 3 to 4, the agent 1 to 2. Upgrade the agent: it is the older of the two.',
  )
  assert.equal(
    versionsApart({ network: range(1, 1), agent: range(2, 3) }),
    'This network speaks agent protocol 1, the agent 2 to 3. Upgrade the network: it is the older of the two.',
  )
})
