/**
 * What can be said of a text without tokenizing it, which takes seconds for a megabyte and lets nobody else's token
 * through meanwhile. Only of vocabularies that lose nothing of a text: each byte of it is some token's.
 */
import { type Gguf, stringOf } from './gguf.ts'
import { byteOfCharacter } from './token-pieces.ts'

export interface VocabularyBounds {
  /** `text` has so many tokens or more. */
  tokensAtLeast(text: string): number
  /** False where no control token can come of `text`. */
  maySpellControlTokens(text: string): boolean
}

const [TYPE_NORMAL, TYPE_BYTE] = [1, 6]

/** `null` for vocabularies that normalize a text or leave out of it what they do not know. */
export function boundsOf(
  metadata: Gguf['metadata'],
  isControlToken: (token: number) => boolean,
): VocabularyBounds | null {
  const tokens = metadata.get('tokenizer.ggml.tokens')
  const types = metadata.get('tokenizer.ggml.token_type')
  const kind = stringOf(metadata, 'tokenizer.ggml.model')
  if (!Array.isArray(tokens) || !Array.isArray(types) || !hasAllBytes({ kind, tokens, types })) return null
  const tokenBytes = tokens.reduce<number>((most, text) => Math.max(most, bytesWithoutSpace(String(text))), 1)
  let control: RegExp | null = null
  return {
    // A token stands for no more bytes than its own text in the vocabulary has: there a space and bytes that show as no
    // character take two bytes or three. White space does not count, as control tokens may swallow any amount of it.
    tokensAtLeast: (text) => Math.ceil(bytesWithoutSpace(text) / tokenBytes),
    maySpellControlTokens(text) {
      control ??= controlTexts(tokens.map(String), types, isControlToken)
      return control.test(text)
    },
  }
}

/** So that no byte of a text is left out, or swallowed by a token for all that is unknown. */
function hasAllBytes(vocabulary: {
  kind: string | undefined
  tokens: readonly unknown[]
  types: readonly unknown[]
}) {
  const { kind, tokens, types } = vocabulary
  if (kind === 'llama') return types.filter((type) => type === TYPE_BYTE).length === 256
  if (kind !== 'gpt2') return false
  const known = new Set(tokens)
  return [...byteOfCharacter.keys()].every((character) => known.has(character))
}

/** In UTF-8, without ASCII white space. */
function bytesWithoutSpace(text: string): number {
  let spaces = 0
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit === 32 || (unit >= 9 && unit <= 13)) spaces++
  }
  return Buffer.byteLength(text) - spaces
}

/** Matches wherever a control token is spelled; a mark for a space stands for one, or for the one before every text. */
function controlTexts(
  tokens: readonly string[],
  types: readonly unknown[],
  isControlToken: (token: number) => boolean,
): RegExp {
  const texts = tokens.filter((text, token) => {
    // Plain text but for what is written between signs, which llama.cpp takes for a mistake of the file.
    const mayBe = types[token] !== TYPE_BYTE && (types[token] !== TYPE_NORMAL || /[<[|]/.test(text))
    return mayBe && text !== '' && isControlToken(token)
  })
  if (texts.length === 0) return /(?!)/
  const escaped = texts.map((text) =>
    text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&').replaceAll(/[\u2581\u0120]/g, '[\u2581\u0120 ]?'),
  )
  return new RegExp(escaped.join('|'))
}
