/** A caller of a simulated month: asks for one long answer over the OpenAI API and waits for all of it. */
import type { Exchange } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import type { Problem } from '#protocol/problem.ts'
import { fleetPrompt } from './fleet-engine.ts'
import { promptTokensOf } from './sim-engine.ts'
import type { SimNetwork } from './sim-network.ts'

export interface FleetCall {
  readonly apiKey: string
  readonly model: string
  readonly promptTokens: number
  readonly completionTokens: number
}

/** `done` runs once, with the HTTP status; 0: the gateway went away or never was there. */
export function callFleet(
  network: SimNetwork,
  address: string,
  call: FleetCall,
  done: (status: number) => void,
): void {
  const server = network.serverProcess(address)
  if (!server?.isAlive) return done(0)
  const { apiKey, model, completionTokens } = call
  const prompt = fleetPrompt(completionTokens, call.promptTokens)
  const messages = [{ role: 'user', content: prompt }]
  const body = new TextEncoder().encode(JSON.stringify({ model, messages, max_tokens: completionTokens }))
  let isOver = false
  let closeListener: ((finished: boolean) => void) | null = null
  const forget = server.onDeath(() => finish(0))
  function finish(status: number): void {
    if (isOver) return
    isOver = true
    forget()
    closeListener?.(true)
    done(status)
  }
  const exchange: Exchange = {
    method: 'POST',
    target: '/v1/chat/completions',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    readBody: (_bytesMax: number, read: (problem: Problem | null, bytes: Uint8Array) => void) => {
      server.after(1, () => read(null, body))
    },
    respond(status, _headers, text) {
      if (status === 200) checkUsage(String(text), { completionTokens, promptTokens: promptTokensOf(prompt) })
      finish(status)
    },
    start: () => assert(false, 'an answer that is not streamed comes whole'),
    write: () => false,
    end: () => undefined,
    abort: () => finish(0),
    onDrain: () => undefined,
    onClose(run) {
      closeListener = run
    },
  }
  network.exchange(address, exchange)
}

/** The bill is for what was asked and delivered. Only the reply's end is parsed: the text before it is long. */
function checkUsage(reply: string, expected: { promptTokens: number; completionTokens: number }): void {
  const usage = /"prompt_tokens":(\d+),"completion_tokens":(\d+)/.exec(reply.slice(reply.indexOf('"usage"')))
  assert(
    Number(usage?.[1]) === expected.promptTokens && Number(usage?.[2]) === expected.completionTokens,
    `an answer of ${expected.completionTokens} tokens is billed as such: ${usage?.[0]}`,
  )
}
