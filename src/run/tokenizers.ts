/** Which models' answers a gateway counts anew by itself, and from which files it has their vocabularies. */
import { resolve } from 'node:path'
import { InvalidArgumentError, Option } from 'commander'
import { createTokenCounter, type TokenCounter } from '#engines/llama-cpp/token-counter.ts'
import type { Clock, Log } from '#host/host.ts'
import { nodeChildren } from '#host/node/node-children.ts'
import type { AgentConfig } from './agent-config.ts'

/** Paths of GGUF files by model. */
export type Tokenizers = Readonly<Record<string, string>>

export interface TokenizerFlags {
  readonly tokenizer?: Tokenizers
}

export const tokenizerOption = (): Option =>
  new Option(
    '--tokenizer <model=file>',
    "count the answers of this model's nodes anew, with the vocabulary of this GGUF file; may be given again",
  ).argParser((text: string, before: Tokenizers | undefined): Tokenizers => {
    const at = text.indexOf('=')
    if (at < 1 || at === text.length - 1) throw new InvalidArgumentError('Expected MODEL=FILE.')
    return { ...before, [text.slice(0, at)]: resolve(text.slice(at + 1)) }
  })

/** What was asked for, and the model that this machine serves itself: its file is at hand. */
export function tokenizersOf({ tokenizer }: TokenizerFlags, engine: AgentConfig['engine']): Tokenizers {
  const isFile = engine.kind === 'llama-cpp' && engine.model.startsWith('/')
  return { ...(isFile && { [engine.modelId]: engine.model }), ...tokenizer }
}

/** Their child processes start when there is something to count. */
export const openCounters = (
  tokenizers: Tokenizers,
  { clock, log }: { clock: Clock; log: Log },
): Map<string, TokenCounter> =>
  new Map(
    Object.entries(tokenizers).map(([model, path]) => [
      model,
      createTokenCounter(path, { children: nodeChildren, clock, log }),
    ]),
  )
