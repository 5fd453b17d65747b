import type { Exchange } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'

/** An exchange without a client: whoever asks in the network's own name gets the whole answer in one piece. */
export class CaughtReply implements Exchange {
  readonly method = 'POST'
  readonly target: string
  readonly headers: Readonly<Record<string, string>> = {}
  readonly #caught: (status: number, body: string) => void

  constructor(target: string, caught: (status: number, body: string) => void) {
    this.target = target
    this.#caught = caught
  }

  respond(status: number, _headers: Record<string, string>, body: Uint8Array | string): void {
    assert(typeof body === 'string', 'answers of models are text')
    this.#caught(status, body)
  }

  readBody(): void {
    assert(false, 'the body is known')
  }
  start(): void {
    assert(false, 'nothing is streamed to nobody')
  }
  write(): boolean {
    assert(false, 'nothing is streamed to nobody')
  }
  end(): void {}
  abort(): void {}
  onDrain(): void {}
  onClose(): void {}
}
