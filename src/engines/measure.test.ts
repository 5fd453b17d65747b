import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeClock } from '#host/node/node-clock.ts'
import { Problem } from '#protocol/problem.ts'
import { openTinyEngine } from './llama-cpp/tiny-engine.ts'
import { measureModel } from './measure.ts'

test('a model is measured in about three seconds, and leaves the engine idle', async (t) => {
  const { engine, close } = await openTinyEngine({ slots: 4 })
  t.after(close)
  await engine.ready()
  const speed = await measureModel(engine, 'tiny', nodeClock)
  for (const value of Object.values(speed)) assert.ok(value > 10, JSON.stringify(speed))
  await assert.rejects(
    measureModel(engine, 'other', nodeClock),
    (error) => error instanceof Problem && error.code === 'model_not_found',
  )
})
