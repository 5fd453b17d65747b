import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InputCheck } from './batch-input.ts'
import { batchLimits } from './batch-limits.ts'

const good = { custom_id: 'a', method: 'POST', url: '/v1/chat/completions', body: { model: 'm' } }

const other = { ...good, custom_id: 'b' }

const wrong: [name: string, line: unknown, code: string, param: string | null][] = [
  ['no object', [], 'invalid_type', null],
  ['a member too many', { ...other, extra: 1 }, 'unknown_parameter', 'extra'],
  ['no custom_id', { ...other, custom_id: undefined }, 'missing_required_parameter', 'custom_id'],
  ['an empty custom_id', { ...other, custom_id: '' }, 'invalid_value', 'custom_id'],
  ['a custom_id that is no text', { ...other, custom_id: 7 }, 'invalid_value', 'custom_id'],
  ['a custom_id that is too long', { ...other, custom_id: 'x'.repeat(513) }, 'invalid_value', 'custom_id'],
  ['another method', { ...other, method: 'GET' }, 'invalid_value', 'method'],
  ['no url', { ...other, url: undefined }, 'missing_required_parameter', 'url'],
  ['another url', { ...other, url: '/v1/embeddings' }, 'url_mismatch', 'url'],
  ['a body that is a list', { ...other, body: [] }, 'invalid_value', 'body'],
  ['no model', { ...other, body: {} }, 'missing_required_parameter', 'body.model'],
  ['a model that is no text', { ...other, body: { model: 1 } }, 'invalid_type', 'body.model'],
]
for (const [name, line, code, param] of wrong) {
  test(`a line with ${name} is refused by its number`, () => {
    const { errors } = verdictOn([JSON.stringify(good), '', JSON.stringify(line)])
    assert.deepEqual(
      errors.map((error) => [error.code, error.param, error.line]),
      [[code, param, 3]],
    )
  })
}

test('what is no JSON, or no UTF-8, is refused by its number', () => {
  const check = new InputCheck('/v1/chat/completions', batchLimits)
  check.take({ line: 1, bytes: new Uint8Array([0x22, 0xff, 0x22]) })
  check.take({ line: 2, bytes: new TextEncoder().encode('{') })
  check.take({ line: 3, bytes: null })
  assert.deepEqual(
    check.verdict().errors.map(({ code, line }) => [code, line]),
    [
      ['invalid_json_line', 1],
      ['invalid_json_line', 2],
      ['line_too_long', 3],
    ],
  )
})

test('a file of blank lines is empty, and one with a byte order mark is not', () => {
  assert.deepEqual(verdictOn(['', '  ']).errors[0]?.code, 'empty_file')
  assert.deepEqual(verdictOn([`\ufeff${JSON.stringify(good)}`]), { errors: [], model: 'm', requests: 1 })
})

test('an id that comes twice is named with the line that has it', () => {
  const { errors } = verdictOn([good, good, good].map((line) => JSON.stringify(line)))
  assert.deepEqual(
    errors.map(({ code, line }) => [code, line]),
    [
      ['duplicate_custom_id', 2],
      ['duplicate_custom_id', 3],
    ],
  )
  assert.match(errors[0]?.message ?? '', /line 1/)
})

test('two models do not make a batch', () => {
  const { errors } = verdictOn([
    JSON.stringify(good),
    JSON.stringify({ ...good, custom_id: 'b', body: { model: 'n' } }),
  ])
  assert.deepEqual([errors[0]?.code, errors[0]?.line, errors.length], ['model_mismatch', 2, 1])
})

test('what errors quote out of a file is short, and no longer in JSON than it seems', () => {
  const long = '\u0001'.repeat(1_000_000)
  const lines = [
    good,
    { ...good, custom_id: 'b', body: { model: long } },
    { ...good, custom_id: 'c', url: long },
    { ...good, custom_id: 'd', [long]: 1 },
  ]
  const { errors } = verdictOn(lines.map((line) => JSON.stringify(line)))
  assert.deepEqual(
    errors.map(({ code }) => code),
    ['model_mismatch', 'url_mismatch', 'unknown_parameter'],
  )
  for (const error of errors) assert(JSON.stringify(error).length < 500, JSON.stringify(error).slice(0, 500))
})

test('beyond so many requests, texts or errors no further line is looked at', () => {
  const lines = (count: number, body: object) =>
    Array.from({ length: count }, (_, index) =>
      JSON.stringify({
        ...good,
        url: '/v1/embeddings',
        custom_id: `${index}`,
        body: { model: 'm', ...body },
      }),
    )
  const limits = { linesMax: 3, embeddingInputsMax: 5, errorsMax: 2 }
  const many = verdictOn(lines(4, {}), '/v1/embeddings', limits)
  assert.deepEqual([many.errors[0]?.code, many.errors[0]?.line], ['too_many_tasks', 4])
  const texts = verdictOn(lines(3, { input: ['a', 'b'] }), '/v1/embeddings', limits)
  assert.deepEqual([texts.errors[0]?.code, texts.errors[0]?.param], ['too_many_tasks', 'body.input'])
  assert.equal(verdictOn(['{', '{', '{', '{'], '/v1/embeddings', limits).errors.length, 2)
})

function verdictOn(
  lines: readonly string[],
  endpoint: '/v1/chat/completions' | '/v1/embeddings' = '/v1/chat/completions',
  limits = batchLimits as ConstructorParameters<typeof InputCheck>[1],
) {
  const check = new InputCheck(endpoint, limits)
  for (const [index, text] of lines.entries()) {
    if (!check.take({ line: index + 1, bytes: new TextEncoder().encode(text) })) break
  }
  return check.verdict()
}
