/** The lines of a batch's input file: what each asks, and whether all of them together make a batch. */
import { z } from 'zod'
import type { BatchEndpoint, InputError } from './batch-events.ts'
import type { BatchLimits } from './batch-limits.ts'
import type { CutLine } from './line-splitter.ts'

export interface BatchLine {
  readonly line: number
  readonly customId: string
  readonly body: Readonly<Record<string, unknown>>
}

export const CUSTOM_ID_LENGTH_MAX = 512
const Line = z.strictObject({
  custom_id: z.string().min(1).max(CUSTOM_ID_LENGTH_MAX),
  method: z.literal('POST'),
  url: z.string(),
  body: z.record(z.string(), z.unknown()),
})

const decoder = new TextDecoder('utf-8', { fatal: true })

/** Deeper than any request that has a meaning, and far from where writing it out again would overflow the stack. */
const DEPTH_MAX = 128

/** Whether lists and objects of `body` stand in one another beyond what is looked into: to parse has no such limit. */
export function isTooDeep(body: BatchLine['body']): boolean {
  let level: object[] = [body]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEPTH_MAX) return true
    level = level.flatMap((value) => Object.values(value).filter(isHolder))
  }
  return false
}

const isHolder = (value: unknown): value is object => typeof value === 'object' && value !== null

/** One line, `null` where it is blank, or what is wrong with it. */
export function readLine({ line, bytes }: CutLine, endpoint: BatchEndpoint): BatchLine | InputError | null {
  if (bytes === null)
    return { code: 'line_too_long', message: 'This line is longer than a request may be.', param: null, line }
  let json: unknown
  try {
    const text = decoder.decode(bytes)
    if (text.trim() === '') return null
    json = JSON.parse(text)
  } catch (error) {
    const why = quoted(error instanceof Error ? error.message : 'it does not parse')
    return {
      code: 'invalid_json_line',
      message: `This line is not valid JSON in UTF-8: ${why}.`,
      param: null,
      line,
    }
  }
  const parsed = Line.safeParse(json)
  if (!parsed.success) return shapeError(json, parsed.error.issues[0], line)
  const { custom_id, url, body } = parsed.data
  if (url !== endpoint) {
    const message = `The url of this line is '${quoted(url)}', and the endpoint of the batch is '${endpoint}'.`
    return { code: 'url_mismatch', message, param: 'url', line }
  }
  return { line, customId: custom_id, body }
}

const QUOTED_MAX = 100

/** A text out of a file, as an error may quote it: short, and of characters that take no more room than they seem to. */
export const quoted = (text: string): string =>
  text.slice(0, QUOTED_MAX).replace(/[\p{Cc}\p{Cs}]/gu, '\ufffd')

/** In the order in which they are looked at. */
function shapeError(json: unknown, issue: z.core.$ZodIssue | undefined, line: number): InputError {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return {
      code: 'invalid_type',
      message: 'Expected an object with custom_id, method, url and body.',
      param: null,
      line,
    }
  }
  if (issue?.code === 'unrecognized_keys') {
    const param = quoted(issue.keys[0] ?? '')
    return { code: 'unknown_parameter', message: `'${param}' is not a member of a line.`, param, line }
  }
  const param = String(issue?.path[0] ?? '')
  if (!Object.hasOwn(json, param)) {
    return { code: 'missing_required_parameter', message: `This line has no '${param}'.`, param, line }
  }
  const expected = {
    custom_id: `a text of 1 to ${CUSTOM_ID_LENGTH_MAX} characters`,
    method: "'POST'",
    url: 'a text',
    body: 'an object',
  }[param]
  return { code: 'invalid_value', message: `The '${param}' of this line is not ${expected}.`, param, line }
}

export interface InputVerdict {
  readonly errors: readonly InputError[]
  readonly model: string | null
  readonly requests: number
}

/** Takes the lines of a file one after the other, then says what they are together. */
export class InputCheck {
  readonly #endpoint: BatchEndpoint
  readonly #limits: Pick<BatchLimits, 'linesMax' | 'embeddingInputsMax' | 'errorsMax'>
  readonly #errors: InputError[] = []
  /** By id, the line that has it. */
  readonly #customIds = new Map<string, number>()
  #requests = 0
  #model: string | null = null
  #embeddingInputs = 0
  #isOver = false

  constructor(
    endpoint: BatchEndpoint,
    limits: Pick<BatchLimits, 'linesMax' | 'embeddingInputsMax' | 'errorsMax'>,
  ) {
    this.#endpoint = endpoint
    this.#limits = limits
  }

  /** False once no further line can change what is wrong. */
  take(cut: CutLine): boolean {
    if (this.#isOver) return false
    const read = readLine(cut, this.#endpoint)
    if (read === null) return true
    if ('code' in read) this.#complain(read)
    else this.#takeLine(read)
    return !this.#isOver
  }

  verdict(): InputVerdict {
    if (this.#requests === 0 && this.#errors.length === 0) {
      this.#complain({ code: 'empty_file', message: 'The file has no requests.', param: null, line: null })
    }
    return { errors: this.#errors, model: this.#model, requests: this.#requests }
  }

  #takeLine({ line, customId, body }: BatchLine): void {
    const { linesMax, embeddingInputsMax } = this.#limits
    this.#requests++
    if (this.#requests > linesMax) {
      const message = `A batch has at most ${linesMax} requests, and this file has more. Split it.`
      return this.#end({ code: 'too_many_tasks', message, param: null, line })
    }
    const first = this.#customIds.get(customId)
    if (first !== undefined) {
      const message = `The custom_id '${quoted(customId)}' is that of line ${first} already.`
      this.#complain({ code: 'duplicate_custom_id', message, param: 'custom_id', line })
    }
    this.#customIds.set(customId, first ?? line)
    this.#takeModel(line, body['model'])
    const { input } = body
    this.#embeddingInputs += Array.isArray(input) ? input.length : 1
    if (this.#endpoint === '/v1/embeddings' && this.#embeddingInputs > embeddingInputsMax) {
      const message = `The requests of a batch embed at most ${embeddingInputsMax} texts together. Split the file.`
      this.#end({ code: 'too_many_tasks', message, param: 'body.input', line })
    }
  }

  #takeModel(line: number, model: unknown): void {
    const param = 'body.model'
    if (typeof model !== 'string' || model === '') {
      const code = model === undefined ? 'missing_required_parameter' : 'invalid_type'
      return this.#complain({ code, message: 'The body of this line names no model.', param, line })
    }
    this.#model ??= model
    if (model === this.#model) return
    const message = `A batch asks one model: this line asks '${quoted(model)}', and those before '${quoted(this.#model)}'.`
    this.#complain({ code: 'model_mismatch', message, param, line })
  }

  #complain(error: InputError): void {
    this.#errors.push(error)
    if (this.#errors.length >= this.#limits.errorsMax) this.#isOver = true
  }

  #end(error: InputError): void {
    this.#complain(error)
    this.#isOver = true
  }
}
