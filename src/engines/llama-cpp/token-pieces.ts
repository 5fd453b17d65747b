/**
 * The exact bytes that each token adds to the text, from the vocabulary in the model's file. The library's own
 * `detokenize` tidies spaces (` .` becomes `.`) and cannot show half a character, so it can't be cut into a stream.
 */
import type { Gguf } from './gguf.ts'
import { stringOf } from './gguf.ts'

export interface TokenPieces {
  /** Empty for control tokens. The bytes are shared: do not write to them. */
  bytesOf(token: number): Uint8Array
  /** The vocabulary marks word starts by a space, so that an answer's first word begins with one that nobody typed. */
  readonly hasLeadingSpace: boolean
}

const [TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER, TYPE_UNUSED, TYPE_BYTE] = [2, 3, 4, 5, 6]
const NOTHING = new Uint8Array(0)
const encoder = new TextEncoder()

/** `null` when the vocabulary is of a kind that this program cannot spell out. */
export function createTokenPieces(metadata: Gguf['metadata']): TokenPieces | null {
  const tokens = metadata.get('tokenizer.ggml.tokens')
  const tokenTypes = metadata.get('tokenizer.ggml.token_type')
  const spell = spellers[stringOf(metadata, 'tokenizer.ggml.model') ?? '']
  if (!Array.isArray(tokens) || spell === undefined) return null
  const typeOf = (token: number): unknown => (Array.isArray(tokenTypes) ? tokenTypes[token] : undefined)
  const cache: (Uint8Array | undefined)[] = []
  const bytesOf = (token: number): Uint8Array => {
    const text: unknown = tokens[token]
    if (typeof text !== 'string') return NOTHING
    const type = typeOf(token)
    if (type === TYPE_CONTROL || type === TYPE_UNKNOWN || type === TYPE_UNUSED) return NOTHING
    if (type === TYPE_USER) return encoder.encode(text)
    return type === TYPE_BYTE ? hexByte(text) : spell(text)
  }
  const hasLeadingSpace =
    spell === spellSentencePiece && metadata.get('tokenizer.ggml.add_space_prefix') !== false
  return {
    bytesOf: (token) => (cache[token] ??= bytesOf(token)),
    hasLeadingSpace,
  }
}

function spellSentencePiece(text: string): Uint8Array {
  return encoder.encode(text.replaceAll('\u2581', ' '))
}

/** GPT-2's vocabulary writes each byte as one printable character. */
function spellByteLevel(text: string): Uint8Array {
  const bytes: number[] = []
  for (const character of text) {
    const byte = byteOfCharacter.get(character)
    if (byte === undefined) bytes.push(...encoder.encode(character))
    else bytes.push(byte)
  }
  return Uint8Array.from(bytes)
}

const spellers: Readonly<Record<string, (text: string) => Uint8Array>> = {
  llama: spellSentencePiece,
  t5: spellSentencePiece,
  gpt2: spellByteLevel,
}

/** `<0x0A>` */
function hexByte(text: string): Uint8Array {
  const match = /^<0x([0-9A-F]{2})>$/i.exec(text)
  return match?.[1] === undefined ? spellSentencePiece(text) : Uint8Array.of(Number.parseInt(match[1], 16))
}

/** By which byte-level vocabularies spell each of the 256 bytes. */
export const byteOfCharacter = createByteLevelTable()

/** Printable Latin-1 stands for itself; the other bytes, in order, for the characters from U+0100 on. */
function createByteLevelTable(): ReadonlyMap<string, number> {
  const isPrintable = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  const table = new Map<string, number>()
  let next = 0x100
  for (let byte = 0; byte < 256; byte++)
    table.set(String.fromCodePoint(isPrintable(byte) ? byte : next++), byte)
  return table
}
