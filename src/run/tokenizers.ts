/** Which models' answers a gateway counts anew by itself, and from which files it has their vocabularies. */
import { resolve } from 'node:path'
import { InvalidArgumentError, Option } from 'commander'
import { createTokenCounter } from '#engines/llama-cpp/token-counter.ts'
import type { ModelCounter } from '#gateway/recount/recounter.ts'
import type { Clock, Log } from '#host/host.ts'
import { nodeChildren } from '#host/node/node-children.ts'
import type { AgentConfig } from './agent-config.ts'
import type { CellConfig } from './cell-config.ts'

export interface TokenizerFlags {
  /** Paths of GGUF files by model. */
  readonly tokenizer?: Readonly<Record<string, string>>
}

type Tokenizers = NonNullable<CellConfig['tokenizers']>

export const tokenizerOption = (): Option =>
  new Option(
    '--tokenizer <model=file>',
    "count the answers of this model's nodes anew, with the vocabulary of this GGUF file; may be given again",
  ).argParser((text: string, before: TokenizerFlags['tokenizer']): TokenizerFlags['tokenizer'] => {
    const at = text.indexOf('=')
    if (at < 1 || at === text.length - 1) throw new InvalidArgumentError('Expected MODEL=FILE.')
    return { ...before, [text.slice(0, at)]: resolve(text.slice(at + 1)) }
  })

/** What was asked for, and the model that this machine serves itself, if it does: its file is at hand. */
export function tokenizersOf(
  { tokenizer = {} }: TokenizerFlags,
  engine: AgentConfig['engine'] | null,
): Tokenizers {
  const own =
    engine?.kind === 'llama-cpp' && engine.model.startsWith('/')
      ? { [engine.modelId]: { path: engine.model, isOwn: true } }
      : {}
  const asked = Object.entries(tokenizer).map(([model, path]) => [model, { path, isOwn: false }] as const)
  return { ...own, ...Object.fromEntries(asked) }
}

/** Their child processes start when there is something to count. */
export const openCounters = (
  tokenizers: Tokenizers,
  { clock, log }: { clock: Clock; log: Log },
): Map<string, ModelCounter> =>
  new Map(
    Object.entries(tokenizers).map(([model, { path, isOwn }]) => {
      const counter = createTokenCounter(path, { children: nodeChildren, clock, log })
      return [model, { counter, isOwn }]
    }),
  )
