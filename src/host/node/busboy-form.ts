import { Busboy, type BusboyFileStream, type BusboyInstance } from '@fastify/busboy'
import type { BlobWriter } from '#host/blob-store.ts'
import type { Form, FormLimits, ReadForm } from '#host/form-upload.ts'
import type { Exchange } from '#host/host.ts'
import { Problem, toProblem } from '#protocol/problem.ts'

const FIELD_NAME_LENGTH_MAX = 100
const FILENAME_LENGTH_MAX = 512
const HEADER_PAIRS_MAX = 16
const HEADER_BYTES_MAX = 4 * 1024
/** What a form has around its file: boundaries, headers and fields. */
const AROUND_BYTES_MAX = 1024 * 1024

/** `ReadForm` by `@fastify/busboy`. */
export const readForm: ReadForm = (exchange, limits, openFile) =>
  new FormUpload(exchange, limits, openFile).done

class FormUpload {
  readonly done: Promise<Form>
  readonly #exchange: Exchange
  readonly #limits: FormLimits
  readonly #openFile: () => Promise<BlobWriter>
  readonly #fields: [string, string][] = []
  #file: { field: string; filename: string; stream: BusboyFileStream; written: Promise<BlobWriter> } | null =
    null
  #flow: { resume(): void } | null = null
  #problem: Problem | null = null
  /** The form is whole, and is the caller's. */
  #isDone = false
  #settle: { resolve: (form: Form) => void; reject: (problem: Problem) => void }

  constructor(exchange: Exchange, limits: FormLimits, openFile: () => Promise<BlobWriter>) {
    this.#exchange = exchange
    this.#limits = limits
    this.#openFile = openFile
    const { promise, resolve, reject } = Promise.withResolvers<Form>()
    this.done = promise
    this.#settle = { resolve, reject }
    const parser = this.#openParser()
    if (parser) this.#feed(parser)
  }

  #openParser(): BusboyInstance | null {
    const { headers } = this.#exchange
    const { fileBytesMax, fieldsMax, fieldBytesMax } = this.#limits
    try {
      const parser = new Busboy({
        headers: { ...headers, 'content-type': headers['content-type'] ?? '' },
        limits: {
          fileSize: fileBytesMax,
          files: 1,
          fields: fieldsMax,
          parts: fieldsMax + 1,
          fieldSize: fieldBytesMax,
          fieldNameSize: FIELD_NAME_LENGTH_MAX,
          headerPairs: HEADER_PAIRS_MAX,
          headerSize: HEADER_BYTES_MAX,
        },
      })
      parser.on('field', (name: unknown, value: string, _: boolean, isCut: boolean) =>
        this.#onField(name, value, isCut),
      )
      parser.on('file', (name: unknown, stream: BusboyFileStream, filename: unknown) =>
        this.#onFile(name, stream, filename),
      )
      parser.on('partsLimit', () => this.#fail(tooMany(fieldsMax)))
      parser.on('fieldsLimit', () => this.#fail(tooMany(fieldsMax)))
      parser.on('filesLimit', () => this.#fail(formProblem('The form has more than one file.', 'file')))
      parser.on('error', (error: unknown) => this.#fail(malformed(error)))
      parser.on('finish', () => this.#finish())
      parser.on('drain', () => this.#flow?.resume())
      return parser
    } catch (error) {
      this.#fail(malformed(error))
      return null
    }
  }

  #feed(parser: BusboyInstance): void {
    this.#exchange.onClose((finished) => {
      if (!finished) this.#fail(new Problem('cancelled', 'The client left in the middle of its upload.'))
    })
    const flow = this.#exchange.streamBody?.(this.#limits.fileBytesMax + AROUND_BYTES_MAX, {
      onChunk: (chunk) => this.#problem !== null || parser.write(chunk),
      onEnd: (problem) => {
        if (problem) this.#fail(problem)
        else if (!this.#problem) parser.end()
      },
    })
    if (flow) this.#flow = flow
    else this.#fail(new Problem('not_supported', 'No files are taken here.'))
  }

  #onField(name: unknown, value: string, isCut: boolean): void {
    if (typeof name !== 'string' || name.length > FIELD_NAME_LENGTH_MAX) {
      return this.#fail(formProblem('A part of the form has no name, or one that is too long.', null))
    }
    if (isCut) {
      return this.#fail(formProblem(`'${name}' is longer than ${this.#limits.fieldBytesMax} bytes.`, name))
    }
    this.#fields.push([name, value])
  }

  #onFile(field: unknown, stream: BusboyFileStream, filename: unknown): void {
    // Whatever becomes of it: an error without a listener would end the process.
    stream.on('error', (error) => this.#fail(malformed(error)))
    if (typeof field !== 'string' || typeof filename !== 'string') {
      this.#fail(formProblem('The file has no name.', typeof field === 'string' ? field : null))
    } else if (filename.length > FILENAME_LENGTH_MAX) {
      this.#fail(formProblem(`The name of the file is longer than ${FILENAME_LENGTH_MAX} characters.`, field))
    }
    stream.on('limit', () => this.#fail(fileTooLarge(this.#limits.fileBytesMax, String(field))))
    if (this.#problem) return void stream.resume()
    const written = this.#write(stream)
    written.catch((error) => this.#fail(toProblem(error)))
    this.#file = { field: String(field), filename: String(filename), stream, written }
  }

  async #write(stream: BusboyFileStream): Promise<BlobWriter> {
    const writer = await this.#openFile()
    try {
      for await (const chunk of stream) {
        if (this.#problem) throw this.#problem
        await writer.write(chunk as Uint8Array)
      }
      return writer
    } catch (error) {
      await writer.abort()
      throw error
    }
  }

  /** The first of what goes wrong is what the client hears; the rest of the body is dropped. */
  #fail(problem: Problem): void {
    if (this.#problem || this.#isDone) return
    this.#problem = problem
    this.#flow?.resume()
    const rejected = (): void => this.#settle.reject(problem)
    if (!this.#file) return rejected()
    // What was written is gone first. A file that never ends would never be.
    this.#file.stream.destroy(problem)
    this.#file.written
      .then(
        (writer) => writer.abort(),
        () => undefined,
      )
      .then(rejected, rejected)
  }

  #finish(): void {
    const file = this.#file
    if (this.#problem) return
    if (!file) return this.#resolve(null)
    const { field, filename } = file
    file.written.then(
      (writer) => {
        if (!this.#problem) this.#resolve({ field, filename, writer })
      },
      () => undefined, // It was told where it happened.
    )
  }

  #resolve(file: Form['file']): void {
    this.#isDone = true
    this.#settle.resolve({ fields: this.#fields, file })
  }
}

const formProblem = (message: string, param: string | null): Problem =>
  new Problem('invalid_request', message, { details: { param, code: 'invalid_form' } })

const tooMany = (fieldsMax: number): Problem =>
  formProblem(`The form has more than ${fieldsMax} fields and a file.`, null)

const fileTooLarge = (bytesMax: number, field: string): Problem =>
  new Problem('body_too_large', `'${field}' is larger than ${bytesMax} bytes, the most that is taken.`, {
    details: { param: field },
  })

function malformed(error: unknown): Problem {
  const why = error instanceof Error ? error.message : String(error)
  return new Problem(
    'invalid_request',
    `The body is not a whole form (multipart/form-data with a boundary): ${why}.`,
    { details: { param: null, code: 'invalid_form' }, cause: error },
  )
}
