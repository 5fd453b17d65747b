import type { ModelFacts } from '#protocol/model-catalogue.ts'
import { type Gguf, numberOf, stringOf } from './gguf.ts'

/** The engine keeps keys and values of the context in half precision. */
const KV_VALUE_BYTES = 2
/** For files that do not say. */
const CONTEXT_TOKENS_DEFAULT = 4_096

/** What a model takes of a machine, by its file's own word; a file that does not tell its shape counts no context. */
export function ggufFacts({ metadata }: Gguf, sizeBytes: number): ModelFacts {
  const of = (name: string): number | undefined => {
    const architecture = stringOf(metadata, 'general.architecture') ?? ''
    return numberOf(metadata, `${architecture}.${name}`)
  }
  const heads = of('attention.head_count') ?? 0
  const keyLength = of('attention.key_length') ?? (heads > 0 ? (of('embedding_length') ?? 0) / heads : 0)
  const valueLength = of('attention.value_length') ?? keyLength
  const values = kvHeads(metadata, of('block_count') ?? 0, heads) * (keyLength + valueLength)
  return {
    sizeBytes,
    kvBytesPerToken: Math.min(2 ** 30, Math.max(0, Math.round(values * KV_VALUE_BYTES))),
    contextTokens: Math.min(
      100_000_000,
      Math.max(1, Math.round(of('context_length') ?? CONTEXT_TOKENS_DEFAULT)),
    ),
  }
}

/** Heads that keys and values are kept for, of all layers together: one number for all, or one for each. */
function kvHeads(metadata: Gguf['metadata'], layers: number, heads: number): number {
  const architecture = stringOf(metadata, 'general.architecture') ?? ''
  const told = metadata.get(`${architecture}.attention.head_count_kv`)
  if (Array.isArray(told))
    return told.reduce((sum: number, count) => sum + (typeof count === 'number' ? count : 0), 0)
  return layers * (typeof told === 'number' ? told : heads)
}
