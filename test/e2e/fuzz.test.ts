/**
 * Malformed inputs on every surface of a running network: each is refused as the documents say, and nothing breaks.
 * `node bench/fuzz.ts` sends a hundred times as many, and times a well-behaved client meanwhile.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type FuzzedNetwork, startFuzzed } from '../fuzz/fuzz-network.ts'
import { runSurface } from '../fuzz/run-surface.ts'
import { surfaceNames } from '../fuzz/surface.ts'
import { openRig } from './rig.ts'

const SEED = 20_261
const COUNT = 1_000
/** A connection with two signatures each. */
const LINK_COUNT = 500

const rig = openRig()
let fuzzed: FuzzedNetwork
before(async () => {
  fuzzed = await startFuzzed(rig)
})
after(async () => {
  for (const surface of fuzzed?.surfaces ?? []) surface.dispose?.()
  await rig.dispose()
})

for (const name of surfaceNames) {
  test(`malformed inputs to ${name} are refused as documented`, async () => {
    const surface = fuzzed.surfaces.find((found) => found.name === name)
    assert.ok(surface)
    const count = name === 'websocket' ? LINK_COUNT : COUNT
    const run = await runSurface(surface, { count, seed: SEED, inFlight: 4, perSecond: 2_000 })
    const { firstFailure } = run
    assert.equal(
      run.failed,
      0,
      firstFailure
        ? `${firstFailure.complaint}\nnode bench/fuzz.ts --surface ${name} --input ${firstFailure.inputBase64}`
        : '',
    )
    assert.ok(run.refused + run.unavailable > count / 2, JSON.stringify(run))
    assert.deepEqual(fuzzed.bugs(), [])
  })
}

test('afterwards a chat is answered, and the books balance', async () => {
  const { network } = fuzzed
  const messages = [{ role: 'user' as const, content: 'hi' }]
  const chat = await network.openai.chat.completions.create({ model: 'tiny', messages, max_tokens: 2 })
  assert.equal(chat.usage?.completion_tokens, 2)
  assert.equal((await network.operator.checkLedger()).sum, 0n)
})
