import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestWorld } from '#sim/test-world.ts'
import { createStandingTeller, SLOW_PROOF_MS } from './tell-standing.ts'

const unproven = (message: string) => ({ code: 'unproven', message }) as const

test('serving is said once the proof held, and before that only that it is under way', () => {
  const { teller, said } = setup()
  teller.told(unproven('Update it.'))
  teller.told(unproven('It proves.'))
  assert.deepEqual(said, ['proving_hardware'])
  teller.told(null)
  assert.deepEqual(said, ['proving_hardware', 'serving'])
})

test('a proof that takes long is told with what keeps it, unless the connection is gone', async () => {
  const { teller, said, run } = setup()
  teller.told(unproven('It proves.'))
  teller.told(unproven('The last proof did not hold.'))
  await run(SLOW_PROOF_MS)
  assert.deepEqual(said, ['proving_hardware', 'node_1 gets no work yet: The last proof did not hold.'])
  teller.told(unproven('It proves.'))
  teller.away()
  await run(2 * SLOW_PROOF_MS)
  assert.equal(said.length, 2)
})

test('what takes a node out later is told, and that it serves again', () => {
  const { teller, said } = setup()
  teller.told(null)
  teller.told({ code: 'sick', message: 'Xid 79.' })
  teller.told(null)
  assert.deepEqual(said, ['serving', 'node_1 gets no work yet: Xid 79.', 'serving'])
})

function setup() {
  const world = createTestWorld()
  const said: string[] = []
  const teller = createStandingTeller(
    {
      clock: world.machine('node').host.clock,
      nodeId: 'node_1',
      onStep: (step) => void said.push(step.kind === 'note' ? step.text : step.kind),
    },
    () => void said.push('serving'),
  )
  return { teller, said, run: world.run }
}
