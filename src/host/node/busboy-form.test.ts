/** Forms over a real server: what is taken, what is refused and by which name, and that nothing is left behind. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Exchange } from '#host/host.ts'
import { toProblem } from '#protocol/problem.ts'
import { readForm } from './busboy-form.ts'
import { createDiskBlobStore } from './disk-blob-store.ts'
import { createHttpRig } from './http-rig.ts'

const rig = createHttpRig()
const FILE_BYTES_MAX = 300_000

test('a file of any size up to the limit arrives as it was, with the fields around it', async (t) => {
  const { send, read } = await setup(t)
  for (const size of [0, 1, 65_536, FILE_BYTES_MAX]) {
    const form = new FormData()
    form.set('purpose', 'batch')
    form.set('file', new Blob([Buffer.alloc(size, 'ab')]), 'in put.jsonl')
    form.set('after', 'x')
    const answer = await send(form)
    assert.equal(answer.status, 200, answer.text)
    const { fields, file } = JSON.parse(answer.text)
    assert.deepEqual(fields, [
      ['purpose', 'batch'],
      ['after', 'x'],
    ])
    assert.deepEqual([file.field, file.filename, file.bytes], ['file', 'in put.jsonl', size])
    assert.equal(Buffer.compare(Buffer.from(await read()), Buffer.alloc(size, 'ab')), 0)
  }
})

const refused: [name: string, body: () => FormData | Raw, status: number, param: string | null][] = [
  [
    'a file beyond the limit',
    () => formOf([['file', new Blob([Buffer.alloc(FILE_BYTES_MAX + 1)])]]),
    413,
    'file',
  ],
  ['a far larger one', () => formOf([['file', new Blob([Buffer.alloc(4_000_000)])]]), 413, null],
  [
    'two files',
    () =>
      formOf([
        ['file', new Blob(['a'])],
        ['file', new Blob(['b'])],
      ]),
    400,
    'file',
  ],
  ['a long field', () => formOf([['purpose', 'x'.repeat(2_000)]]), 400, 'purpose'],
  ['many fields', () => formOf(Array.from({ length: 9 }, (_, index) => [`f${index}`, 'x'])), 400, null],
  ['another type', () => ({ type: 'application/json', body: '{}' }), 400, null],
  ['no type', () => ({ type: '', body: '{}' }), 400, null],
  ['no boundary', () => ({ type: 'multipart/form-data', body: 'x' }), 400, null],
  [
    'no end',
    () => raw('--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nabc'),
    400,
    null,
  ],
  ['nothing', () => raw(''), 400, null],
  [
    'a part without a name',
    () => raw('--b\r\ncontent-disposition: form-data; filename="a"\r\n\r\nabc\r\n--b--\r\n'),
    400,
    null,
  ],
  [
    'an endless header',
    () =>
      raw(
        `--b\r\ncontent-disposition: form-data; name="file"; filename="${'n'.repeat(9_000)}"\r\n\r\nabc\r\n--b--\r\n`,
      ),
    400,
    null,
  ],
]
for (const [name, body, status, param] of refused) {
  test(`${name} is refused with ${status}, and leaves nothing`, async (t) => {
    const { send, temporary } = await setup(t)
    const answer = await send(body())
    assert.equal(answer.status, status, answer.text)
    const { code, param: told = null } = JSON.parse(answer.text)
    assert.ok(code === 'invalid_request' || code === 'body_too_large')
    if (param !== null) assert.equal(told, param)
    assert.deepEqual(temporary(), [])
  })
}

test('a client that leaves in the middle of its file leaves nothing', async (t) => {
  const { port, ended, temporary } = await setup(t)
  const socket = connect(port, '127.0.0.1')
  socket.write(
    'POST / HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 90000\r\n\r\n--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nabcdef',
  )
  await ended.opened
  socket.destroy()
  assert.match(await ended.problem, /left in the middle/)
  assert.deepEqual(temporary(), [])
})

interface Raw {
  readonly type: string
  readonly body: string
}
const raw = (body: string): Raw => ({ type: 'multipart/form-data; boundary=b', body })

function formOf(parts: readonly (readonly [string, string | Blob])[]): FormData {
  const form = new FormData()
  for (const [name, value] of parts) {
    if (typeof value === 'string') form.append(name, value)
    else form.append(name, value, 'a.jsonl')
  }
  return form
}

async function setup(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-form-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const store = createDiskBlobStore(folder, { bytesMax: 100_000_000 })
  const opened = Promise.withResolvers<void>()
  const problem = Promise.withResolvers<string>()
  const limits = { fileBytesMax: FILE_BYTES_MAX, fieldsMax: 4, fieldBytesMax: 1_000 }
  const onExchange = (exchange: Exchange): void => {
    const done = readForm(exchange, limits, async () => {
      const writer = await store.create()
      opened.resolve()
      return writer
    })
    done.then(
      async ({ fields, file }) => {
        const bytes = file?.writer.digest().bytes
        await file?.writer.finish('last')
        const told = { fields, file: file && { field: file.field, filename: file.filename, bytes } }
        exchange.respond(file ? 200 : 400, {}, JSON.stringify(file ? told : { code: 'invalid_request' }))
      },
      (error: unknown) => {
        const { status, code, message, details } = toProblem(error)
        problem.resolve(message)
        exchange.respond(status, {}, JSON.stringify({ code, message, param: details['param'] }))
      },
    )
  }
  const { port } = await rig.serve({ onExchange })
  return {
    port,
    ended: { opened: opened.promise, problem: problem.promise },
    temporary: () => readdirSync(join(folder, 'temporary')),
    async send(body: FormData | Raw) {
      const init =
        body instanceof FormData ? { body } : { body: body.body, headers: { 'content-type': body.type } }
      const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', ...init })
      return { status: response.status, text: await response.text() }
    },
    async read() {
      const reader = await store.open('last')
      assert.ok(reader)
      const bytes = await reader.read(0, reader.bytes)
      await reader.close()
      return bytes
    },
  }
}
