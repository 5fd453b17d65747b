/** Bad input over the wire: the status, the code and the field that OpenAI's API has for it, and not one token computed. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type BadInput, badInputs } from './bad-inputs.ts'
import { enrolHostile, type HostileNode } from './hostile-agent.ts'
import { type Network, openRig, startTiny } from './rig.ts'

const rig = openRig()
let network: Network
/** Serves `plain`, which can chat and nothing beyond plain text. */
let plain: HostileNode
before(async () => {
  network = await startTiny(rig, rig.path('data'), ['--node-proofs', 'off'])
  plain = await enrolHostile(network, { id: 'plain', tasks: ['chat'], features: [] })
  await plain.connect()
})
after(async () => {
  plain?.close()
  await rig.dispose()
})

interface Told {
  readonly status: number
  readonly error: {
    readonly message: string
    readonly type: string
    readonly param: unknown
    readonly code: unknown
  }
}

test('each bad input has its status and its code, and names its field', async () => {
  const complaints: string[] = []
  for (const input of badInputs) {
    const told = await send(
      input.path,
      typeof input.body === 'string' ? input.body : JSON.stringify(input.body),
    )
    const wrong = complaintOf(input, told)
    if (wrong !== null) complaints.push(wrong)
  }
  assert.equal(complaints.length, 0, `\n${complaints.join('\n')}\n`)
})

test('bytes that are no UTF-8 are refused as no JSON', async () => {
  const { status, error } = await send(
    '/v1/chat/completions',
    Buffer.from('{"model":"tiny","messages":[{"role":"user","content":"\xff\xfe"}]}', 'latin1'),
  )
  assert.deepEqual([status, error.code], [400, 'invalid_json'])
  assert.match(error.message, /UTF-8/)
})

test('what no node of the model can do is refused at once, and none is asked', async () => {
  let asks = 0
  plain.answer = ({ end }) => {
    asks++
    end({ promptTokens: 1, completionTokens: 0 })
  }
  const weather = { type: 'function', function: { name: 'weather' } }
  for (const [members, param] of [
    [{ tools: [weather] }, 'tools'],
    [{ logprobs: true }, 'logprobs'],
    [{ logit_bias: { 5: 1 } }, 'logit_bias'],
    [{ response_format: { type: 'json_object' } }, 'response_format'],
    [{ messages: [call, answer] }, 'tools'],
  ] as const) {
    const told = await send('/v1/chat/completions', JSON.stringify({ ...plainCall, ...members }))
    assert.equal(complaintOf({ ...refused, param }, told), null)
  }
  assert.equal(asks, 0)
})

test('an input that is no batch, a form that is none and files that are not there are told', async () => {
  const form = new FormData()
  form.set('purpose', 'fine-tune')
  form.set('file', new File(['{}\n'], 'in.jsonl'))
  const { authorization } = headers()
  const answer = await fetch(`${network.ready.apiUrl}/v1/files`, {
    method: 'POST',
    headers: { authorization },
    body: form,
  })
  const { error } = (await answer.json()) as Told
  assert.deepEqual([answer.status, error.param, error.code], [400, 'purpose', 'invalid_value'])
  for (const [method, path, status] of [
    ['POST', '/v1/files', 400],
    ['GET', '/v1/files/file-none', 404],
    ['GET', '/v1/files/file-none/content', 404],
    ['DELETE', '/v1/files/file-none', 404],
    ['GET', '/v1/batches/batch_none', 404],
    ['POST', '/v1/batches/batch_none/cancel', 404],
    ['GET', '/v1/files?limit=0', 400],
    ['GET', '/v1/batches?limit=x', 400],
    ['GET', '/v1/files?nonsense=1', 400],
    ['PUT', '/v1/files', 405],
  ] as const) {
    const told = await send(path, method === 'POST' ? '{}' : undefined, method)
    assert.equal(told.status, status, `${method} ${path}: ${JSON.stringify(told)}`)
    assert.equal(told.error.type, 'invalid_request_error')
  }
})

test('nothing of it was computed, and what is right is answered as before', async () => {
  assert.equal(
    (await network.operator.listUsage({ query: {} })).items.filter(({ cost }) => cost > 0n).length,
    0,
  )
  const { choices } = await network.openai.chat.completions.create({
    model: 'tiny',
    messages: [{ role: 'user', content: 'What is Shoal?' }],
    max_tokens: 3,
  })
  assert.equal(choices[0]?.finish_reason, 'length')
})

const call = {
  role: 'assistant',
  tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
}
const answer = { role: 'tool', tool_call_id: 'a', content: 'x' }
const plainCall = { model: 'plain', messages: [{ role: 'user', content: 'hi' }] }
const refused = { path: '', body: {}, status: 400, code: 'unsupported_parameter' }

/** What is wrong with what was told of an input; null when all is right. */
function complaintOf({ path, body, ...expected }: BadInput, { status, error }: Told): string | null {
  const found = { status, code: error?.code, param: error?.param }
  const isRight =
    status === expected.status &&
    error.code === expected.code &&
    error.param === expected.param &&
    error.type === 'invalid_request_error' &&
    namesField(error.message, expected.param)
  if (isRight) return null
  const sent = (typeof body === 'string' ? body : JSON.stringify(body)).slice(0, 160)
  return `${path} ${sent}\n  expected ${JSON.stringify(expected)}\n  got ${JSON.stringify(found)} ${error?.message?.slice(0, 200)}`
}

/** By its whole path, or as OpenAI's own words for some have it by the last name of it. */
const namesField = (text: string, param: string | null): boolean =>
  param === null ||
  text.includes(param) ||
  text.includes(`'${param.split('.').at(-1)}'`) ||
  /role 'tool'|No such File object/.test(text)

const headers = () => ({ authorization: `Bearer ${network.ready.apiKey}` })

async function send(path: string, body?: string | Buffer<ArrayBuffer>, method = 'POST'): Promise<Told> {
  const answered = await fetch(`${network.ready.apiUrl}${path}`, {
    method,
    headers: { ...headers(), 'content-type': 'application/json' },
    ...(body !== undefined && { body }),
  })
  const { error } = (await answered.json()) as Told
  return { status: answered.status, error }
}
