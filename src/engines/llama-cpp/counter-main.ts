/** The child process of a token counter: a model's vocabulary without its weights. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { getLlama, LlamaLogLevel } from 'node-llama-cpp'
import { countTokens, type Vocabulary } from './count-tokens.ts'
import type { FromCounter, ToCounter } from './counter-messages.ts'
import { type Gguf, readGguf } from './gguf.ts'
import { createFallbackPieces, createTokenizer, messageOf } from './llama-model.ts'
import { createTokenPieces } from './token-pieces.ts'

let vocabulary: Promise<Vocabulary> | null = null

const send = (message: FromCounter): void => {
  if (process.connected) process.send?.(message, () => undefined)
}

async function load(modelPath: string): Promise<Vocabulary> {
  const gguf = readHead(modelPath)
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    maxThreads: 1,
    logLevel: LlamaLogLevel.disabled,
  })
  const model = await llama.loadModel({ modelPath, vocabOnly: true })
  return {
    tokenizer: createTokenizer(model, gguf),
    pieces: createTokenPieces(gguf.metadata) ?? createFallbackPieces(model),
  }
}

function readHead(path: string): Gguf {
  const descriptor = openSync(path, 'r')
  try {
    const source = {
      sizeBytes: fstatSync(descriptor).size,
      read(offset: number, length: number) {
        const bytes = new Uint8Array(length)
        return bytes.subarray(0, readSync(descriptor, bytes, 0, length, offset))
      },
    }
    return readGguf(source, path)
  } finally {
    closeSync(descriptor)
  }
}

/** Tells why and goes: a fresh process is the way to try again. */
const fail = (error: unknown): void => {
  process.send?.({ type: 'failed', message: messageOf(error) } satisfies FromCounter, () => process.exit(1))
}

process.on('message', (message) => {
  // The parent is the counter of this same build.
  const order = message as ToCounter
  if (order.type === 'load') {
    vocabulary = load(order.modelPath)
    vocabulary.then(() => send({ type: 'ready' }), fail)
    return
  }
  const { id, ask } = order
  vocabulary?.then((known) => send({ type: 'counted', id, count: countTokens(ask, known) })).catch(fail)
})
process.on('uncaughtException', fail)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
// The parent died, however it died.
process.on('disconnect', () => process.exit(0))
