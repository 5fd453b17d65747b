/** Test support. */
import assert from 'node:assert/strict'
import type { Exchange } from '#host/host.ts'

/** An exchange that keeps what is written to it. */
export class RecordedExchange implements Exchange {
  readonly method = 'POST'
  readonly target = '/v1/chat/completions'
  readonly headers: Readonly<Record<string, string>>
  isFull = false
  state: 'open' | 'ended' | 'aborted' = 'open'
  status = 0
  sentHeaders: Record<string, string> = {}
  text = ''
  #onDrain: () => void = () => {}
  readonly #closers: ((finished: boolean) => void)[] = []

  constructor({ headers = {} }: { headers?: Readonly<Record<string, string>> } = {}) {
    this.headers = headers
  }

  readBody(): void {
    assert.fail('the body was read before')
  }
  respond(status: number, headers: Record<string, string>, body: Uint8Array | string): void {
    this.start(status, headers)
    this.write(body)
    this.end()
  }
  start(status: number, headers: Record<string, string>): void {
    assert.equal(this.status, 0, 'an answer begins once')
    this.status = status
    this.sentHeaders = headers
  }
  write(chunk: Uint8Array | string): boolean {
    assert.ok(this.status > 0 && this.state === 'open', 'text goes between start and end')
    this.text += chunk
    return !this.isFull
  }
  end(): void {
    this.state = 'ended'
  }
  abort(): void {
    this.state = 'aborted'
  }
  onDrain(run: () => void): void {
    this.#onDrain = run
  }
  onClose(run: (finished: boolean) => void): void {
    this.#closers.push(run)
  }
  close(finished: boolean): void {
    for (const run of this.#closers) run(finished)
  }
  drain(): void {
    this.#onDrain()
  }
}
