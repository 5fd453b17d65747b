/** A hundred streams under way while something dies: shared by the test, which asks what is right, and the benchmark, which asks how fast. */
import assert from 'node:assert/strict'
import type { UsageLine } from '#protocol/usage-page.ts'
import { type ChatResult, streamChat } from './chats.ts'
import type { Network } from './rig.ts'

export interface Flight {
  /** Once so many streams have ended well; the others are under way or wait for their turn. */
  readonly someCompleted: Promise<void>
  readonly results: Promise<readonly ChatResult[]>
}

/** Starts `count` streams at once, of very different lengths. */
export function takeOff(
  { openai }: Network,
  { count, completed }: { count: number; completed: number },
): Flight {
  const reached = Promise.withResolvers<void>()
  let done = 0
  const results = Array.from({ length: count }, async (_, index) => {
    const result = await streamChat(openai, {
      prompt: `Fish number ${index}`,
      maxTokens: 16 + (index % 8) * 24,
    })
    if (result.error === null && ++done === completed) reached.resolve()
    return result
  })
  return { someCompleted: reached.promise, results: Promise.all(results) }
}

/** Asserts that what callers saw completed is billed, as they were told, once; and nothing that they never began. */
export function proveBilling(results: readonly ChatResult[], usage: readonly UsageLine[]): void {
  const lines = new Map(usage.map((line) => [line.requestId, line]))
  assert.equal(lines.size, usage.length, 'no request is billed twice')
  for (const { requestId, error, usage: told, cost } of results.filter((result) => result.error === null)) {
    const line = lines.get(requestId ?? '')
    assert(line, `${requestId} was completed, so it is billed`)
    assert.deepEqual(
      [line.outcome, line.promptTokens, line.completionTokens, line.cost, error],
      ['completed', told?.prompt_tokens, told?.completion_tokens, cost, null],
    )
  }
}
