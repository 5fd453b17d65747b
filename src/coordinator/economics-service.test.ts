import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assess } from '#economics/economics.ts'
import { shippedCatalogue } from '#economics/test-catalogue.ts'
import { readDataFiles } from '#host/node/data-files.ts'
import { callInWorker } from '#host/node/worker-call.ts'
import { Problem } from '#protocol/problem.ts'
import { createEconomicsService, type EconomicsParts } from './economics-service.ts'
import { answerEconomics, type EconomicsJob } from './economics-work.ts'

const NOW_MS = Date.UTC(2026, 10, 22)

test('a forecast in a thread has the numbers of `assess`, to the last digit', async () => {
  const service = setup({ compute: (call) => callInWorker(call, 60_000) })
  const reply = await service.assess({ gpu: 'RTX 4090', kwh: '0.12', utilisation: '55%', seed: '3' })
  const input = { gpu: 'RTX 4090', electricityPerKwh: '0.12', utilisation: 0.55 }
  const expected = assess(shippedCatalogue(), input, { nowMs: NOW_MS, seed: 3 })
  assert.ok(expected.kind === 'report')
  const { kind: _kind, terms: _terms, capital: _capital, simulation: _simulation, ...report } = expected
  assert.deepEqual(JSON.parse(JSON.stringify(reply)), JSON.parse(JSON.stringify(report)))
})

test('every GPU and place is listed, and each GPU answered with what it asks for', async () => {
  const service = setup()
  const [{ gpus }, { places }] = [await service.listGpus(), await service.listPlaces()]
  assert.deepEqual([gpus.length, places.length], [86, 153])
  assert.equal(places.filter(({ household }) => household === null).length, 55)
  for (const { name } of gpus) {
    const { unknowns, inputs } = await service.assess({ gpu: name })
    assert.ok(
      unknowns.some(({ flag }) => flag === '--kwh'),
      name,
    )
    for (const { unit } of [...inputs, ...unknowns]) assert.ok(unit.length > 0, name)
  }
})

test('networks are compared as `shoal roi compare` compares them, whichever network the question names', async () => {
  const said = { gpu: 'RTX 4090', kwh: '0.12', risk: 'low', os: 'linux' }
  const { networks, risk } = await setup().compare(said)
  assert.deepEqual([risk, networks.length], ['low', 9])
  for (const { why, status, rank } of networks) {
    assert.ok(why.length > 0)
    assert.equal(rank !== null, status === 'ranked')
  }
  assert.deepEqual((await setup().compare({ ...said, network: 'gensyn' })).networks, networks)
})

const refused: readonly (readonly [said: Record<string, string>, message: RegExp])[] = [
  [{}, /Say which GPU/],
  [{ gpu: 'RTX 4091' }, /Closest are: GeForce RTX 4090/],
  [{ gpu: 'RTX 4090', kwh: '12' }, /expected from 0 to 3/],
  [{ gpu: 'RTX 4090', kwh: '-1' }, /expected from 0 to 3/],
  [{ gpu: 'RTX 4090', utilisation: '0.9', availability: '0.5' }, /utilisation is at most availability/],
  [{ gpu: 'RTX 4090', kwh: '0.3 EUR' }, /as usd-per EUR=1\.17/],
  [{ gpu: 'RTX 4090', months: 'many' }, /no length of the forecast/],
]

for (const [said, message] of refused) {
  test(`${JSON.stringify(said)} is refused, with what to say instead`, async () => {
    await assert.rejects(setup().assess(said), (error) => {
      assert.ok(error instanceof Problem && error.code === 'invalid_request')
      assert.match(error.message, message)
      assert.doesNotMatch(error.message, /--/)
      return true
    })
  })
}

test('what is wrong anyway takes no thread, however many ask', async () => {
  let threads = 0
  const service = setup({
    compute(call) {
      threads++
      return Promise.resolve(answerEconomics(call.args[0] as EconomicsJob))
    },
  })
  const asked = Array.from({ length: 50 }, () => service.assess({ gpu: 'file:///etc/passwd' }))
  for (const { reason } of (await Promise.allSettled(asked)) as PromiseRejectedResult[]) {
    assert.equal(reason.code, 'invalid_request')
  }
  await assert.rejects(service.compare({}), { code: 'invalid_request' })
  assert.equal(threads, 0)
})

test('two are computed at once, eight wait, more are told to come back; then all is as before', async () => {
  const open: (() => void)[] = []
  const service = setup({
    compute: (call) =>
      new Promise((resolve) => void open.push(() => resolve(answerEconomics(call.args[0] as EconomicsJob)))),
  })
  const said = { gpu: 'RTX 4090', kwh: '0.1', months: '1' }
  const asked = Array.from({ length: 10 }, () => service.assess(said))
  await assert.rejects(service.assess(said), { code: 'queue_full' })
  assert.equal(open.length, 2)
  for (let done = 0; done < 10; done++) {
    open.shift()?.()
    await asked[done]
  }
  const last = service.assess(said)
  await new Promise((resolve) => void setImmediate(resolve))
  open.shift()?.()
  assert.equal((await last).gpu.count, 1)
})

test('a thread that fails fails its own caller, and its place is free again', async () => {
  let calls = 0
  const service = setup({
    compute: async (call) => {
      if (calls++ < 4) throw new Problem('internal', 'broken')
      return answerEconomics(call.args[0] as EconomicsJob)
    },
  })
  for (let call = 0; call < 3; call++)
    await assert.rejects(service.assess({ gpu: 'RTX 4090' }), { code: 'internal' })
  await assert.rejects(service.listGpus(), { code: 'internal' })
  assert.equal((await service.listGpus()).gpus.length, 86)
})

test('data that cannot be read is a problem of the call, and not of the coordinator', async () => {
  const service = setup({
    dataFiles: () => {
      throw new Problem('config_invalid', 'gpus.json cannot be read.')
    },
  })
  await assert.rejects(service.listGpus(), { code: 'config_invalid' })
})

function setup(change: Partial<EconomicsParts> = {}) {
  return createEconomicsService({
    clock: { nowMs: () => NOW_MS },
    dataFiles: () => readDataFiles(),
    // Where the thread is not the point, its work is done here.
    compute: async (call) => answerEconomics(call.args[0] as EconomicsJob),
    ...change,
  })
}
