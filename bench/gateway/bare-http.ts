/**
 * Not a peer but a limit: `node:http` that parses a chat completion's JSON and answers with a ready text, from itself. What
 * Node's own HTTP costs, without anything behind. Its argument is its port. Prints `ready`.
 */
import { createServer } from 'node:http'

const tokens = Array.from({ length: 64 }, (_, index) => `tok${String(index).padStart(2, '0')} `)
const envelope = { id: 'chatcmpl-mock0123456789', created: 1_700_000_000, model: 'bench' }
const usage = { prompt_tokens: 42, completion_tokens: 64, total_tokens: 106 }
const choice = { index: 0, logprobs: null }
const message = { role: 'assistant', content: tokens.join('') }
const whole = Buffer.from(
  JSON.stringify({
    ...envelope,
    object: 'chat.completion',
    choices: [{ ...choice, message, finish_reason: 'stop' }],
    usage,
  }),
)

createServer({ noDelay: true }, (request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    JSON.parse(Buffer.concat(chunks).toString())
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': whole.length })
    response.end(whole)
  })
}).listen(Number(process.argv[2]), '127.0.0.1', 4_096, () => console.log('ready'))
