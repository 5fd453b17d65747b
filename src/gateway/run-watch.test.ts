/** When a node that fell silent is left, and when it is not; simulated nodes beat every two seconds unless told to stop. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ScriptedAgent } from '#sim/scripted-agent.ts'
import { createTestNetwork } from '#sim/test-network.ts'

test('a stream in long steps is left when it is two steps late and a heartbeat is missing', async () => {
  const { first, second, run } = await streaming()
  first.setBeating(false)
  await run(2_000)
  assert.equal(second.requests().length, 0, 'the heartbeat may still come')
  await run(700)
  assert.equal(second.requests().length, 1)
})

test('a stream in long steps stays where the heartbeats come, until it is eight steps late', async () => {
  const { second, run } = await streaming()
  await run(6_000)
  assert.equal(second.requests().length, 0)
  await run(2_500)
  assert.equal(second.requests().length, 1)
})

test('a healthy stream in long steps is not left for one heartbeat that is late', async () => {
  const { first, second, run } = await streaming()
  first.setBeating(false)
  for (let step = 0; step < 5; step++) {
    await run(1_900)
    first.delta(1, '.')
  }
  await run(100)
  assert.equal(second.requests().length, 0)
})

test('a stream that nobody else could go on with is waited for, though nothing is heard of its node', async () => {
  const { call, first, run } = await streaming({ others: [] })
  first.setBeating(false)
  await run(5_000)
  first.delta(1, 'late')
  await run(100)
  assert.equal(call.heard.at(-1), 'text late')
})

test('who goes on after a stall is one that was heard of since', async () => {
  for (const mute of ['b', 'c'] as const) {
    const { first, second, third, run } = await streaming({ others: ['b', 'c'] })
    assert.ok(third)
    const [silent, heard] = mute === 'b' ? [second, third] : [third, second]
    first.setBeating(false)
    silent.setBeating(false)
    await run(2_700)
    assert.deepEqual([silent.requests().length, heard.requests().length], [0, 1], mute)
  }
})

test('one that was to go on and is not heard of is left in its turn; one that is heard of reads its prompt', async () => {
  for (const isBeating of [false, true]) {
    const network = await streaming({ others: ['b'], knowsFirstTokens: true })
    const { first, second, third, run, connect } = network
    assert.equal(third, undefined)
    second.setBeating(isBeating)
    first.fail(network.stream, 'engine_failed')
    await run(100)
    assert.equal(second.requests().length, 1)
    const c = await connect('c', [model])
    await run(6_000)
    assert.equal(c.requests().length, isBeating ? 0 : 1, `beating: ${isBeating}`)
  }
})

/** Slow by its own word, so that long steps are no crawling. */
const model = {
  ...{ resumes: true, fingerprint: 'weights', slots: 8 },
  ...{ decodeTokensPerSecond: 1, decodeTokensPerSecondSingle: 0.5 },
}

/** An answer on `first` that came in steps of a second; `others` could go on with it. */
async function streaming({
  others = ['b'],
  knowsFirstTokens = false,
}: {
  others?: readonly string[]
  knowsFirstTokens?: boolean
} = {}) {
  const network = await createTestNetwork({ nodes: ['a', 'b', 'c'] })
  const first = await network.connect('a', [model])
  // So many answers that the gateway knows how long first tokens take.
  let stream = 1
  for (let answer = 0; knowsFirstTokens && answer < 100; answer++) {
    network.ask()
    await network.run(50)
    first.delta(stream, '.')
    first.end(stream, { promptTokens: 20, completionTokens: 1 })
    stream++
    await network.run(50)
  }
  const call = network.ask()
  await network.run(100)
  const rest: ScriptedAgent[] = []
  for (const id of others) rest.push(await network.connect(id, [model]))
  const [second = first, third] = rest
  for (let step = 0; step < 20; step++) {
    first.delta(stream, '.')
    if (step < 19) await network.run(1_000)
  }
  return { ...network, call, first, second, third, stream }
}
