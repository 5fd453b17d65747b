import { Problem } from '#protocol/problem.ts'

/** A line longer than this is no answer of ours. */
const LINE_LENGTH_MAX = 1024 * 1024

/**
 * The `data` of each server-sent event, in order, as the bytes come. Events end at an empty line, lines at `\n` or
 * `\r\n`; comments and other fields are passed over. Leaving the loop early cancels `body`.
 */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, void> {
  let data: string[] = []
  for await (const line of readLines(body)) {
    if (line === '') {
      if (data.length > 0) yield data.join('\n')
      data = []
    } else if (line.startsWith('data:')) {
      data.push(line.slice(line.startsWith('data: ') ? 6 : 5))
    }
  }
  if (data.length > 0) yield data.join('\n')
}

async function* readLines(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield line.endsWith('\r') ? line.slice(0, -1) : line
    if (rest.length > LINE_LENGTH_MAX) {
      throw new Problem('internal', 'The answer is not a stream of events. Check the address.')
    }
  }
  rest += decoder.decode()
  if (rest !== '') yield rest
}
