import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { acquireModel, defaultModelId, type ModelDownload, parseModelSource } from './model-source.ts'

const sha256 = 'AB'.repeat(32)
const sources: readonly (readonly [text: string, url: string, fileName: string, sha256: string | null])[] = [
  ['hf:o/r/m.Q4.gguf', 'https://huggingface.co/o/r/resolve/main/m.Q4.gguf', 'o--r--m.Q4.gguf', null],
  [
    'hf:o/r/sub/m.gguf@v1.0',
    'https://huggingface.co/o/r/resolve/v1.0/sub/m.gguf',
    'o--r--v1.0--sub--m.gguf',
    null,
  ],
  [
    `hf:o/r/m.gguf#sha256=${sha256}`,
    'https://huggingface.co/o/r/resolve/main/m.gguf',
    'o--r--m.gguf',
    sha256.toLowerCase(),
  ],
  [
    'https://example.com/a%20b/m.gguf?x=1',
    'https://example.com/a%20b/m.gguf?x=1',
    'example.com--a--b--m.gguf',
    null,
  ],
  ['http://127.0.0.1:8080/m.gguf', 'http://127.0.0.1:8080/m.gguf', '127.0.0.1--8080--m.gguf', null],
]
for (const [text, url, fileName, checksum] of sources) {
  test(`${text} is downloaded from ${url}`, () => {
    const source = parseModelSource(text)
    assert.ok(source.kind === 'online')
    assert.deepEqual([source.url.href, source.fileName, source.sha256], [url, fileName, checksum])
  })
}

test('a path is a path, also with odd characters in it', () => {
  for (const path of ['/models/a.gguf', 'a #1.gguf', 'C:\\models\\a.GGUF', './hf/a.gguf']) {
    assert.deepEqual(parseModelSource(path), { kind: 'file', path })
  }
})

const wrong: readonly (readonly [text: string, says: RegExp])[] = [
  ['', /does not name a GGUF file/],
  ['llama', /does not name a GGUF file/],
  ['hf:owner/file.gguf', /hf:owner\/repository\/file\.gguf/],
  ['hf:o/r/m.gguf@', /not of the form/],
  ['hf:o/r/m.safetensors', /does not name a GGUF file/],
  ['https://example.com/', /does not name a GGUF file/],
  ['http://example.com/m.gguf', /not an https address/],
  ['hf:o/r/m.gguf#sha256=12', /64 hexadecimal/],
  ['https://exa mple.com/m.gguf', /not a valid address/],
]
for (const [text, says] of wrong) {
  test(`"${text}" is refused, with how a model is written`, () => {
    assert.throws(
      () => parseModelSource(text),
      (error) =>
        error instanceof Problem &&
        error.code === 'config_invalid' &&
        says.test(error.message) &&
        /Give the path/.test(error.message),
    )
  })
}

test('a model is called by its file unless its owner says otherwise', () => {
  const idOf = (text: string) => defaultModelId(parseModelSource(text))
  assert.equal(idOf('/models/Llama-3.2-1B.Q4_K_M.gguf'), 'Llama-3.2-1B.Q4_K_M')
  assert.equal(idOf('hf:o/r/big-00001-of-00003.gguf'), 'big')
})

test('a file is used where it is; the rest is downloaded into the folder', async () => {
  const asked: ModelDownload[] = []
  const downloads = {
    async downloadModel(download: ModelDownload) {
      asked.push(download)
    },
  }
  const watch = {
    onProgress: () => undefined,
    signal: new AbortController().signal,
    folder: '/data/models/',
    token: 't',
  }
  assert.equal(await acquireModel(parseModelSource('/x/a.gguf'), downloads, watch), '/x/a.gguf')
  assert.equal(asked.length, 0)
  assert.equal(
    await acquireModel(parseModelSource('hf:o/r/m.gguf'), downloads, watch),
    '/data/models/o--r--m.gguf',
  )
  assert.deepEqual(
    asked.map(({ path, token }) => [path, token]),
    [['/data/models/o--r--m.gguf', 't']],
  )
})
