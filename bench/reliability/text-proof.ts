/** Whether streamed answers are what the engine says alone, token for token. */
import { openAnswersAlone } from '../parts/answers-alone.ts'
import type { Steady } from './steady-load.ts'

export interface TextProof {
  readonly compared: number
  /** Byte for byte what the engine says alone. */
  readonly same: number
  /** They differ where two tokens are all but equally likely, and nowhere else. */
  readonly nearTies: number
  /** A token was repeated, lost or changed. */
  readonly unexplained: number
}

export async function proveTexts(
  modelPath: string,
  results: readonly Steady[],
  tokens: number,
): Promise<TextProof> {
  const finished = results.filter(({ error }) => error === null)
  const alone = await openAnswersAlone(modelPath)
  try {
    const texts = await alone.readAll(
      finished.map(({ prompt }) => prompt),
      tokens,
    )
    const other = (one: Steady): string => texts.get(one.prompt) ?? ''
    const differing = finished.filter((one) => one.text !== other(one))
    const verdicts = new Map<string, boolean>()
    let unexplained = 0
    for (const one of differing) {
      const key = `${one.prompt}\n${one.text}`
      const isExplained =
        verdicts.get(key) ??
        ((await alone.explain({ prompt: one.prompt, text: one.text, tokens })).isExplained &&
          (await alone.explain({ prompt: one.prompt, text: other(one), tokens })).isExplained)
      verdicts.set(key, isExplained)
      if (!isExplained) unexplained++
    }
    return {
      compared: finished.length,
      same: finished.length - differing.length,
      nearTies: differing.length - unexplained,
      unexplained,
    }
  } finally {
    await alone.close()
  }
}
