/** A caller as lean as one can be in Node: it asks for a stream and reads every event of it, each as JSON. */
import { type Agent, request } from 'node:http'
import { z } from 'zod'

export interface SseAsk {
  /** Up to `/v1`. */
  readonly baseUrl: string
  readonly apiKey: string
  readonly body: Readonly<Record<string, unknown>>
  readonly agent: Agent
}

export interface SseAnswer {
  /** One for each event with text, in order. */
  readonly pieces: readonly string[]
  readonly completionTokens: number
}

const Chunk = z.object({
  choices: z.array(z.object({ delta: z.object({ content: z.string().nullish() }) })),
  usage: z.object({ completion_tokens: z.int() }).nullish(),
  error: z.object({ message: z.string() }).optional(),
})
type Chunk = z.output<typeof Chunk>

/** Rejects unless the answer is whole: status 200, a usage and `[DONE]`. */
export function askForStream({ baseUrl, apiKey, body, agent }: SseAsk): Promise<SseAnswer> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' }
    const asked = request(`${baseUrl}/chat/completions`, { method: 'POST', headers, agent })
    asked.on('error', reject)
    asked.on('response', (response) => {
      const reader = createEventReader()
      response.setEncoding('utf8').on('error', reject)
      response.on('data', (text: string) => {
        try {
          reader.push(text)
        } catch (error) {
          asked.destroy()
          reject(error)
        }
      })
      response.on('end', () => {
        const { pieces, completionTokens, isDone, rest } = reader
        if (response.statusCode !== 200 || !isDone || completionTokens === null)
          reject(new Error(`The answer (${response.statusCode}) is not whole: ${rest.slice(-500)}`))
        else resolve({ pieces, completionTokens })
      })
    })
    asked.end(JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }))
  })
}

export interface EventReader {
  readonly pieces: readonly string[]
  readonly completionTokens: number | null
  readonly isDone: boolean
  /** What has not become an event: the beginning of one, or no event at all. */
  readonly rest: string
  push(text: string): void
}

/** Of text that comes in any pieces. The first chunk is checked by its schema, the others are like it. */
export function createEventReader(): EventReader {
  const pieces: string[] = []
  let completionTokens: number | null = null
  let isDone = false
  let rest = ''
  let isChecked = false

  function take(event: string): void {
    if (event === 'data: [DONE]') {
      isDone = true
      return
    }
    const value: unknown = JSON.parse(event.slice('data: '.length))
    const chunk = isChecked ? (value as Chunk) : Chunk.parse(value)
    isChecked = true
    if (chunk.error) throw new Error(chunk.error.message)
    const text = chunk.choices[0]?.delta.content
    if (text) pieces.push(text)
    completionTokens = chunk.usage?.completion_tokens ?? completionTokens
  }

  return {
    pieces,
    get completionTokens() {
      return completionTokens
    },
    get isDone() {
      return isDone
    },
    get rest() {
      return rest
    },
    push(text) {
      rest += text
      for (;;) {
        const end = rest.indexOf('\n\n')
        if (end === -1) return
        const event = rest.slice(0, end)
        rest = rest.slice(end + 2)
        take(event)
      }
    },
  }
}
