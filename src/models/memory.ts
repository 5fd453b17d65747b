import type { Model } from './models.ts'

const MIB = 1024 * 1024
/** What the engine's own process and its buffers take, beside weights and context. */
const OVERHEAD_MIB = 160

/**
 * Memory, in MiB, that a node needs for `model`: its weights, the context of every slot, and the engine. Null while
 * nobody has read its file. A model that another server computes needs none.
 */
export function memoryMibOf({
  source,
  facts,
  settings,
}: Pick<Model, 'source' | 'facts'> & {
  readonly settings: Pick<Model['settings'], 'contextTokens' | 'slots'>
}): number | null {
  if (source.kind === 'upstream') return 0
  if (facts === null) return null
  const contextTokens = Math.min(settings.contextTokens, facts.contextTokens)
  const contextBytes = facts.kvBytesPerToken * contextTokens * settings.slots
  return Math.ceil((facts.sizeBytes + contextBytes) / MIB) + OVERHEAD_MIB
}

/** What its file takes of a node's cache, in MiB; null while nobody knows. */
export const fileMibOf = ({ source, facts }: Pick<Model, 'source' | 'facts'>): number | null =>
  source.kind === 'upstream' || source.kind === 'file'
    ? 0
    : facts === null
      ? null
      : Math.ceil(facts.sizeBytes / MIB)
