/** Many streams under way while something dies: the test asks what is right then, and `bench/recovery.ts` how fast. */
import { type ChatResult, streamChat } from './chats.ts'
import type { Network } from './rig.ts'

export interface Flight {
  /** Once so many streams have ended well; the others are under way or wait for their turn. */
  readonly someCompleted: Promise<void>
  readonly results: Promise<readonly ChatResult[]>
  /** How many are over, well or not. */
  over(): number
}

/** Of these some are under way at any time, however late their client hears that others have completed. */
const LASTING = { count: 4, maxTokens: 8_000 } as const

/** Starts `count` streams at once, of very different lengths; the last ones are so long that only a kill ends them soon. */
export function takeOff(
  { openai }: Network,
  { count, completed }: { count: number; completed: number },
): Flight {
  const reached = Promise.withResolvers<void>()
  const lastingFrom = count - Math.min(LASTING.count, count - completed)
  let done = 0
  let over = 0
  const results = Array.from({ length: count }, async (_, index) => {
    const result = await streamChat(openai, {
      prompt: `Fish number ${index}`,
      maxTokens: index < lastingFrom ? 16 + (index % 8) * 24 : LASTING.maxTokens,
    })
    over++
    if (result.error === null && ++done === completed) reached.resolve()
    return result
  })
  return { someCompleted: reached.promise, results: Promise.all(results), over: () => over }
}
