/** A caller of the embeddings API, who knows what the right vectors are. */
import type { Exchange } from '#host/host.ts'
import { compareVectors } from '#verify/answer-evidence.ts'
import { expectedVector } from './sim-audited.ts'
import type { SimProcess } from './sim-process.ts'

export interface EmbeddingCall {
  readonly apiKey: string
  readonly model: string
  readonly inputs: readonly string[]
  /** Runs, once, when a vector is not the right one. */
  readonly onFalse: () => void
}

/** `done` runs once. */
export function sendEmbedding(
  { server, deliver }: { server: SimProcess; deliver: (exchange: Exchange) => boolean },
  { apiKey, model, inputs, onFalse }: EmbeddingCall,
  done: (result: { kind: 'embedded' | 'refused' | 'cut' }) => void,
): void {
  const body = new TextEncoder().encode(JSON.stringify({ model, input: inputs }))
  let closeListener: (finished: boolean) => void = () => undefined
  let isOver = false
  const finish = (kind: 'embedded' | 'refused' | 'cut'): void => {
    if (isOver) return
    isOver = true
    forgetServer()
    done({ kind })
    if (kind !== 'cut') closeListener(true)
  }
  const forgetServer = server.onDeath(() => finish('cut'))
  const exchange: Exchange = {
    method: 'POST',
    target: '/v1/embeddings',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    readBody: (_bytesMax, read) => void server.after(1, () => isOver || read(null, body)),
    respond(status, _headers, text) {
      if (status !== 200) return finish('refused')
      const { data } = JSON.parse(String(text)) as { data: { embedding: number[] }[] }
      const made = data.map(({ embedding }) => embedding)
      const { off } = compareVectors(made, inputs.map(expectedVector), { isSameFile: true })
      if (off > 0) onFalse()
      finish('embedded')
    },
    start: () => undefined,
    write: () => true,
    end: () => finish('cut'),
    abort: () => finish('cut'),
    onDrain: () => undefined,
    onClose(run) {
      closeListener = run
    },
  }
  if (!deliver(exchange)) finish('cut')
}
