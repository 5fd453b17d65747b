export interface BadCall {
  readonly name: string
  readonly path?: string
  readonly init: RequestInit
  readonly status: number
  readonly code: string
  readonly says: RegExp
}

const call = { model: 'tiny', messages: [{ role: 'user', content: 'What is Shoal?' }], max_tokens: 24 }

/** Calls of the OpenAI API that no model should ever see, each with what is answered. */
export const badCalls: readonly BadCall[] = [
  {
    name: 'invalid JSON',
    init: { body: '{"model": "tiny",' },
    status: 400,
    code: 'invalid_json',
    says: /not valid JSON/,
  },
  {
    name: 'invalid UTF-8',
    init: { body: Buffer.from('{"model": "\xff\xfe"}', 'latin1') },
    status: 400,
    code: 'invalid_json',
    says: /UTF-8/,
  },
  { name: 'no body', init: {}, status: 400, code: 'invalid_json', says: /not valid JSON/ },
  {
    name: 'JSON that is no request',
    init: { body: '[]' },
    status: 400,
    code: 'invalid_type',
    says: /object/,
  },
  {
    name: 'a member of the wrong type',
    init: { body: JSON.stringify({ ...call, max_tokens: 'many' }) },
    status: 400,
    code: 'invalid_type',
    says: /max_tokens/,
  },
  {
    name: 'a prompt beyond the context',
    init: { body: JSON.stringify({ ...call, messages: [{ role: 'user', content: 'fish '.repeat(9_000) }] }) },
    status: 400,
    code: 'context_length_exceeded',
    says: /8192/,
  },
  {
    name: 'an oversized body',
    init: { body: JSON.stringify({ ...call, user: 'x'.repeat(5 * 2 ** 20) }) },
    status: 413,
    code: 'body_too_large',
    says: /MiB|bytes/,
  },
  {
    name: 'the wrong method',
    init: { method: 'GET' },
    status: 405,
    code: 'method_not_allowed',
    says: /takes POST/,
  },
  {
    name: 'a path that is not there',
    path: '/images',
    init: { body: '{}' },
    status: 404,
    code: 'not_found',
    says: /\/docs/,
  },
]
