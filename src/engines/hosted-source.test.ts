import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseHubFile, HUB_DEFAULT, hubFileUrl, hubListUrl } from './hosted-source.ts'
import { readGguf } from './llama-cpp/gguf.ts'
import { ggufFacts } from './llama-cpp/gguf-facts.ts'
import { tinyGguf } from './llama-cpp/tiny-gguf.ts'

const source = { kind: 'hub', repository: 'owner/repo' } as const

test('a file of the hub is where the hub has it', () => {
  const file = { ...source, file: 'sub/m.Q4_K_M.gguf' }
  assert.equal(hubFileUrl(source, HUB_DEFAULT), null)
  assert.equal(
    hubFileUrl(file, HUB_DEFAULT)?.href,
    `${HUB_DEFAULT}/owner/repo/resolve/main/sub/m.Q4_K_M.gguf`,
  )
  assert.equal(
    hubFileUrl({ ...file, revision: 'v2' }, 'http://mirror.lan:8080/')?.href,
    'http://mirror.lan:8080/owner/repo/resolve/v2/sub/m.Q4_K_M.gguf',
  )
  assert.equal(hubListUrl(source, HUB_DEFAULT).href, `${HUB_DEFAULT}/api/models/owner/repo/revision/main`)
})

const lists: readonly (readonly [string, readonly string[], string | RegExp])[] = [
  ['the only one', ['README.md', 'm.gguf'], 'm.gguf'],
  ['the Q4_K_M of several', ['m.Q8_0.gguf', 'm.q4_k_m.gguf', 'm.F16.gguf'], 'm.q4_k_m.gguf'],
  [
    'no part of a model, nor its eyes',
    ['m-00001-of-00002.gguf', 'mmproj-m.gguf', 'm.Q8_0.gguf'],
    'm.Q8_0.gguf',
  ],
  [
    'none of several others',
    ['m.Q8_0.gguf', 'm.F16.gguf'],
    /has several GGUF files \(m\.Q8_0\.gguf, m\.F16\.gguf\)/,
  ],
  ['none where there is none', ['model.safetensors'], /has no GGUF file in one piece/],
]
for (const [what, names, expected] of lists) {
  test(`of a repository ${what} is taken`, () => {
    const list = { siblings: names.map((rfilename) => ({ rfilename })) }
    if (typeof expected === 'string') assert.equal(chooseHubFile(list, source), expected)
    else assert.throws(() => chooseHubFile(list, source), expected)
  })
}

test('an answer that is no list of files is said to be none', () => {
  for (const answer of [null, [], { siblings: 'x' }, { siblings: [{ rfilename: 1 }] }])
    assert.throws(() => chooseHubFile(answer, source), /no list of files/)
})

test('what a model takes follows from its file: size, layers, heads that keys and values are kept for', () => {
  const bytes = tinyGguf({ contextTokens: 2_048 })
  const read = (offset: number, length: number): Uint8Array => bytes.subarray(offset, offset + length)
  const facts = ggufFacts(readGguf({ sizeBytes: bytes.length, read }, 'tiny'), bytes.length)
  assert.deepEqual([facts.sizeBytes, facts.contextTokens], [bytes.length, 2_048])
  const shape = new Map<string, string | number | readonly number[]>([
    ['general.architecture', 'llama'],
    ['llama.block_count', 32],
    ['llama.attention.head_count', 32],
    ['llama.attention.head_count_kv', 8],
    ['llama.embedding_length', 4_096],
    ['llama.context_length', 8_192],
  ])
  const of = (metadata: typeof shape) =>
    ggufFacts({ metadata, tensorCount: 0, dataOffset: 0 }, 1).kvBytesPerToken
  // 32 layers × 8 heads × (128 + 128) values of two bytes.
  assert.equal(of(shape), 131_072)
  const perLayer: readonly number[] = Array.from({ length: 32 }, () => 4)
  assert.equal(of(new Map(shape).set('llama.attention.head_count_kv', perLayer)), 65_536)
  assert.equal(of(new Map()), 0)
})
