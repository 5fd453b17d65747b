import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeClock } from '#host/node/node-clock.ts'
import { Problem } from '#protocol/problem.ts'
import type { Engine } from './engine.ts'
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

test('a first prompt that waits for the engine to start does not make prompts slow', async () => {
  const { prefillTokensPerSecond } = await measured({ promptMs: [400, 5, 20, 80, 80, 80] })
  assert.ok(prefillTokensPerSecond > 3_000, `256 words in 80 ms: ${prefillTokensPerSecond}`)
})

test('the best of three long prompts counts, as other work only makes one slower', async () => {
  const { prefillTokensPerSecond } = await measured({ promptMs: [5, 5, 20, 200, 80, 240] })
  assert.ok(prefillTokensPerSecond > 3_000, String(prefillTokensPerSecond))
  assert.ok(prefillTokensPerSecond < 4_000, String(prefillTokensPerSecond))
})

test('reading a prompt is never slower than writing an answer', async () => {
  const speed = await measured({ promptMs: [900], decodeMs: 1 })
  assert.equal(speed.prefillTokensPerSecond, speed.decodeTokensPerSecond)
  assert.ok(speed.decodeTokensPerSecond > 500, JSON.stringify(speed))
})

test('a model that reads slowly is measured by its first prompts', async () => {
  const { prefillTokensPerSecond } = await measured({ promptMs: [2_000, 900], decodeMs: 100 })
  assert.ok(prefillTokensPerSecond > 15 && prefillTokensPerSecond < 25, String(prefillTokensPerSecond))
})

/** Of an engine that takes `promptMs` for each prompt in turn (the last one again and again), and so long for each token. */
function measured({ promptMs, decodeMs = 2 }: { promptMs: readonly number[]; decodeMs?: number }) {
  let elapsedMs = 0
  let prompts = 0
  const clock = { nowMs: () => 0, elapsedMs: () => elapsedMs, after: () => ({ cancel() {} }) }
  const model = { id: 'm', tasks: ['completion'], contextTokens: 2_048, slots: 1, fingerprint: 'f' } as const
  const engine: Engine = {
    models: () => [model],
    onChange() {},
    start(request, sink) {
      let isCancelled = false
      const { prompt, maxTokens } = request as { prompt: string; maxTokens: number }
      queueMicrotask(() => {
        const promptTokens = prompt.split(' ').length
        if (maxTokens === 1) elapsedMs += promptMs[Math.min(prompts++, promptMs.length - 1)] ?? 0
        sink.onStarted(promptTokens)
        for (let tokens = 0; tokens < maxTokens && !isCancelled; tokens++) {
          if (maxTokens > 1) elapsedMs += decodeMs
          sink.onDelta({ text: 'a', tokenIds: [1], tokenCount: 1 })
        }
        if (!isCancelled) sink.onEnd({ finishReason: 'length', promptTokens, completionTokens: maxTokens })
      })
      const cancel = () => {
        isCancelled = true
      }
      return { cancel, pause() {}, resume() {} }
    },
    close: async () => undefined,
  }
  return measureModel(engine, 'm', clock)
}
