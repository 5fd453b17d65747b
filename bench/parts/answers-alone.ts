/** What an engine without a network around it answers, and why an answer through the network may read otherwise. */
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'
import { readGguf } from '#engines/llama-cpp/gguf.ts'
import { chat, type FinishedRun, finishRun, openTinyEngine } from '#engines/llama-cpp/tiny-engine.ts'
import { createTokenPieces, type TokenPieces } from '#engines/llama-cpp/token-pieces.ts'
import { assert } from '#kernel/assert.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'

export interface AnswersAlone {
  /** By prompt: greedy answers of at most `tokens` tokens. */
  readAll(prompts: readonly string[], tokens: number): Promise<ReadonlyMap<string, string>>
  explain(asked: { prompt: string; tokens: number; text: string }): Promise<Explanation>
  close(): Promise<void>
}

/** How an answer departs from what the engine says alone. */
export interface Explanation {
  /** At which tokens the other of the two likeliest was taken, and how far its logit lies below the likeliest one's. */
  readonly flips: readonly { readonly position: number; readonly gap: number }[]
  /** Behind the last flip it is what the engine says there: nothing is lost, repeated or changed. */
  readonly isExplained: boolean
}

const SLOTS = 16
/** An answer with more of them is not explained by near ties. */
const FLIPS_MAX = 8
/** The longest character in UTF-8 has four bytes, each perhaps a token: a flip may show only so much later. */
const FLIP_SHOWS_LATE_MAX = 4

export async function openAnswersAlone(modelPath: string): Promise<AnswersAlone> {
  const { engine, close } = await openTinyEngine({ file: readFileSync(modelPath), slots: SLOTS })
  await engine.ready()
  const pieces = readPieces(modelPath)
  const ask = (prompt: string, tokens: number): EngineRequest =>
    chat([{ role: 'user', content: prompt }], { maxTokens: tokens })

  async function readAll(prompts: readonly string[], tokens: number): Promise<ReadonlyMap<string, string>> {
    const texts = new Map<string, string>()
    const left = [...new Set(prompts)]
    await Promise.all(
      Array.from({ length: SLOTS }, async () => {
        for (let prompt = left.shift(); prompt !== undefined; prompt = left.shift()) {
          const { text, problem } = await finishRun(engine, ask(prompt, tokens))
          if (problem) throw problem
          texts.set(prompt, text)
        }
      }),
    )
    return texts
  }

  /** What comes behind `ids`, with the two likeliest tokens at each place. */
  const goOn = (prompt: string, tokens: number, ids: readonly number[]): Promise<FinishedRun> =>
    finishRun(engine, {
      ...ask(prompt, tokens - ids.length),
      resumedIds: [...ids],
      topLogprobs: 2,
    } as EngineRequest)

  async function explain(asked: { prompt: string; tokens: number; text: string }): Promise<Explanation> {
    const { prompt, tokens, text } = asked
    const flips: { position: number; gap: number }[] = []
    let ids: readonly number[] = []
    let run = await goOn(prompt, tokens, ids)
    for (;;) {
      const all = [...ids, ...run.tokenIds]
      const agreed = countAgreeing(all, text, pieces)
      if (spell(all, pieces).end === text) return { flips, isExplained: true }
      if (flips.length === FLIPS_MAX) return { flips, isExplained: false }
      const turn = await bestTurn({ prompt, tokens, text, ids, run, agreed })
      if (!turn) return { flips, isExplained: false }
      flips.push({ position: turn.ids.length - 1, gap: turn.gap })
      ids = turn.ids
      run = turn.run
    }
  }

  /** The other token, of those around the place where the texts part, behind which they agree the longest. */
  async function bestTurn(parts: {
    prompt: string
    tokens: number
    text: string
    ids: readonly number[]
    run: FinishedRun
    agreed: number
  }): Promise<{ ids: readonly number[]; run: FinishedRun; gap: number } | null> {
    const { prompt, tokens, text, ids, run, agreed } = parts
    const all = [...ids, ...run.tokenIds]
    const places = run.deltas.flatMap(({ detail }) => detail?.logprobs ?? [])
    let best: { ids: readonly number[]; run: FinishedRun; gap: number; agrees: number } | null = null
    for (let back = 0; back < FLIP_SHOWS_LATE_MAX; back++) {
      const place = places[agreed - back - ids.length]
      const [first, second] = place?.top ?? []
      if (!first || !second) continue
      for (const other of pieces.idsOf(Uint8Array.from(second.bytes ?? []))) {
        const turned = [...all.slice(0, agreed - back), other]
        const next = await goOn(prompt, tokens, turned)
        const agrees = countAgreeing([...turned, ...next.tokenIds], text, pieces)
        if (agrees > (best?.agrees ?? agreed)) {
          best = { ids: turned, run: next, gap: first.logprob - second.logprob, agrees }
        }
      }
    }
    return best
  }

  return { readAll, explain, close }
}

interface Vocabulary extends TokenPieces {
  /** Tokens that are spelt so. */
  idsOf(bytes: Uint8Array): readonly number[]
}

function readPieces(path: string): Vocabulary {
  const descriptor = openSync(path, 'r')
  const gguf = readGguf(
    {
      sizeBytes: fstatSync(descriptor).size,
      read(offset, length) {
        const bytes = new Uint8Array(length)
        return bytes.subarray(0, readSync(descriptor, bytes, 0, length, offset))
      },
    },
    path,
  )
  closeSync(descriptor)
  const pieces = createTokenPieces(gguf.metadata)
  const tokens = gguf.metadata.get('tokenizer.ggml.tokens')
  assert(pieces !== null && Array.isArray(tokens), 'a vocabulary that can be spelt out')
  const nameOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  const byBytes = Map.groupBy(tokens.keys(), (id) => nameOf(pieces.bytesOf(id)))
  return { ...pieces, idsOf: (bytes) => byBytes.get(nameOf(bytes)) ?? [] }
}

/** The text of an answer, whole, and as far as it is certain while more may come. */
function spell(ids: readonly number[], pieces: TokenPieces): { certain: string; end: string } {
  const bytes = Buffer.concat(ids.map((id) => pieces.bytesOf(id)))
  const trim = (text: string): string => (pieces.hasLeadingSpace ? text.replace(/^ /, '') : text)
  return {
    certain: trim(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: true })),
    end: trim(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)),
  }
}

/** How many of the first tokens have a text that `text` begins with. */
function countAgreeing(ids: readonly number[], text: string, pieces: TokenPieces): number {
  let low = 0
  let high = ids.length
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (text.startsWith(spell(ids.slice(0, middle), pieces).certain)) low = middle
    else high = middle - 1
  }
  return low
}
