/** What must hold of many answers at once. */
import assert from 'node:assert/strict'
import { chat, finishRun, openTinyEngine } from '#engines/llama-cpp/tiny-engine.ts'
import type { UsageLine } from '#protocol/usage-page.ts'
import type { ChatResult } from './chats.ts'
import { tinyModel } from './rig.ts'

/** Asserts that no request is billed twice, and that each whose caller saw it completed is billed as that caller was told. */
export function proveBilling(results: readonly ChatResult[], usage: readonly UsageLine[]): void {
  const lines = new Map(usage.map((line) => [line.requestId, line]))
  assert.equal(lines.size, usage.length, 'no request is billed twice')
  const completed = results.filter(({ error }) => error === null)
  assert.equal(new Set(completed.map(({ requestId }) => requestId)).size, completed.length)
  for (const { requestId, usage: told, cost } of completed) {
    const line = lines.get(requestId ?? '')
    assert(line, `${requestId} was completed, so it is billed`)
    assert.deepEqual(
      [line.outcome, line.promptTokens, line.completionTokens, line.cost],
      ['completed', told?.prompt_tokens, told?.completion_tokens, cost],
    )
  }
}

/** Asserts that every ninth result is what the engine gives to the same prompts, one after the other, on an engine of the same model without a network around it. */
export async function proveByEngine(
  prompts: readonly string[],
  results: readonly ChatResult[],
  maxTokensOf: (index: number) => number,
): Promise<void> {
  const { engine, close } = await openTinyEngine({ model: tinyModel })
  try {
    await engine.ready()
    for (let index = 0; index < prompts.length; index += 9) {
      const alone = await finishRun(
        engine,
        chat([{ role: 'user', content: prompts[index] ?? '' }], { maxTokens: maxTokensOf(index) }),
      )
      assert.equal(results[index]?.text, alone.text, `answer ${index}`)
      assert.deepEqual(
        [results[index]?.usage?.prompt_tokens, results[index]?.usage?.completion_tokens],
        [alone.startedWith, alone.tokenIds.length],
      )
    }
  } finally {
    await close()
  }
}
