/** Reads requests to the Responses API, and says what they ask of an engine. */
import type { EngineMessage, EngineRequest, OutputFormat } from './engine-request.ts'
import { checkSchemas } from './json-schema-limits.ts'
import { samplingOf, toEngineTool } from './openai-ask.ts'
import {
  isEmpty,
  isNothing,
  onlyOf,
  type ParsedRequest,
  parseRequest,
  refuse,
  type UnservedParameters,
  unsupported,
} from './openai-parameters.ts'
import { Problem } from './problem.ts'
import { type InputItem, inputItemKinds, ResponseRequest } from './responses-request.ts'

const unserved = {
  background: onlyOf(false),
  context_management: isEmpty,
  conversation: isNothing,
  max_tool_calls: isNothing,
  previous_response_id: isNothing,
  prompt: isNothing,
  prompt_cache_retention: isNothing,
  reasoning: isEmpty,
} satisfies UnservedParameters

/** What would need the network to remember. */
const reasons: Readonly<Record<string, string>> = {
  store:
    'cannot be true: this network is stateless and stores no answers. Send the whole conversation as input.',
  previous_response_id: 'is not served: this network is stateless. Send the whole conversation as input.',
  conversation: 'is not served: this network is stateless. Send the whole conversation as input.',
}

/** A request with its items read. */
export interface ResponseAsk {
  readonly request: ResponseRequest
  readonly items: readonly InputItem[]
}

/** Decodes the JSON of `POST /v1/responses`. */
export function parseResponseRequest(json: unknown): ParsedRequest<ResponseAsk> {
  const stateful =
    typeof json === 'object' && json !== null ? screenState(json as Record<string, unknown>) : null
  if (stateful) return stateful
  const parsed = parseRequest(json, {
    schema: ResponseRequest,
    unserved,
    screen: (members) => screenTools(members['tools']),
    check: (request) =>
      checkStream(request) ??
      checkToolChoice(request) ??
      checkLogprobs(request) ??
      checkSchemas(schemasOf(request)),
  })
  if (parsed instanceof Problem) return parsed
  const items = readItems(parsed.ok.input)
  if (items instanceof Problem) return items
  return checkCalls(items) ?? { ok: { request: parsed.ok, items } }
}

/** By another name, or in another place, than in the chat API. */
const moved: Readonly<Record<string, string>> = {
  max_tokens: 'max_output_tokens',
  max_completion_tokens: 'max_output_tokens',
  messages: 'input',
  response_format: 'text.format',
}

function screenState(members: Readonly<Record<string, unknown>>): Problem | null {
  for (const [name, newName] of Object.entries(moved)) {
    if (!isNothing(members[name])) {
      return unsupported([name], `is '${newName}' in the Responses API. Try again with the new parameter.`)
    }
  }
  for (const [name, reason] of Object.entries(reasons)) {
    const value = members[name]
    if (!isNothing(value) && value !== false) return unsupported([name], reason)
  }
  return null
}

function screenTools(tools: unknown): Problem | null {
  if (!Array.isArray(tools)) return null
  for (const [index, tool] of tools.entries()) {
    const type = (tool as { type?: unknown } | null)?.type
    if (typeof type !== 'string' || type === 'function') continue
    return unsupported(
      ['tools', index, 'type'],
      `'${type}' is not served by this network, only 'function' is.`,
    )
  }
  return null
}

function checkStream({ stream, stream_options }: ResponseRequest): Problem | null {
  if (isNothing(stream_options) || stream === true) return null
  const message = `The 'stream_options' parameter is only allowed when 'stream' is enabled.`
  return refuse('invalid_request', message, { param: 'stream_options' })
}

function checkToolChoice({ tools, tool_choice }: ResponseRequest): Problem | null {
  if (isNothing(tool_choice) || tool_choice === 'none' || tool_choice === 'auto') return null
  if (!tools || tools.length === 0) {
    const message = `Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.`
    return refuse('invalid_request', message, { param: 'tool_choice' })
  }
  if (typeof tool_choice !== 'object' || tools.some(({ name }) => name === tool_choice?.name)) return null
  const message = `Invalid value for 'tool_choice': the function '${tool_choice?.name}' is not among the 'tools'.`
  return refuse('invalid_request', message, { param: 'tool_choice' })
}

function checkLogprobs({ include, top_logprobs }: ResponseRequest): Problem | null {
  if (isNothing(top_logprobs) || top_logprobs === 0 || (include ?? []).length > 0) return null
  const message = `The 'top_logprobs' parameter is only allowed when 'include' has 'message.output_text.logprobs'.`
  return refuse('invalid_request', message, { param: 'top_logprobs' })
}

function schemasOf({ tools, text }: ResponseRequest) {
  const ofTools = (tools ?? []).map(({ name, parameters }, index) => ({
    schema: parameters ?? {},
    at: `tools[${index}].parameters`,
    what: `function '${name}'`,
    code: 'invalid_function_parameters',
  }))
  const format = text?.format
  if (format?.type !== 'json_schema') return ofTools
  const { name, schema } = format
  return [
    ...ofTools,
    { schema, at: 'text.format.schema', what: `format '${name}'`, code: 'invalid_json_schema' },
  ]
}

function readItems(input: ResponseRequest['input']): InputItem[] | Problem {
  if (typeof input === 'string') return [{ role: 'user', content: input }]
  const items: InputItem[] = []
  for (const [index, item] of input.entries()) {
    const type = (item as { type?: unknown } | null)?.type ?? 'message'
    if (typeof type !== 'string' || !Object.hasOwn(inputItemKinds, type)) {
      return unsupported(['input', index, 'type'], `'${String(type)}' is not served by this network.`)
    }
    const screened = screenParts((item as { content?: unknown } | null)?.content, index)
    if (screened) return screened
    // Read as if it stood alone, and told of where it stands.
    const schema = inputItemKinds[type as keyof typeof inputItemKinds]
    const read = parseRequest(withoutRemarks(item), {
      schema,
      unserved: {},
      at: ['input', index],
      check: () => null,
    })
    if (read instanceof Problem) return read
    items.push(read.ok)
  }
  return items
}

function screenParts(content: unknown, item: number): Problem | null {
  if (!Array.isArray(content)) return null
  for (const [index, part] of content.entries()) {
    const type = (part as { type?: unknown } | null)?.type
    if (typeof type !== 'string' || ['input_text', 'output_text', 'refusal'].includes(type)) continue
    return unsupported(
      ['input', item, 'content', index],
      `of type '${type}' is not served by this network, only text is.`,
    )
  }
  return null
}

/** Some clients send back what a reply says of the item and nobody asked for. */
function withoutRemarks(item: unknown): unknown {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return item
  const { parsed_arguments: _, ...rest } = item as Record<string, unknown>
  return rest
}

function checkCalls(items: readonly InputItem[]): Problem | null {
  const open = new Set<string>()
  for (const item of items) {
    if (item.type === 'function_call') open.add(item.call_id)
    else if (item.type === 'function_call_output' && !open.delete(item.call_id)) {
      const message = `No tool call found in 'input' for function call output with call_id ${item.call_id}.`
      return refuse('invalid_request', message, { param: 'input' })
    }
  }
  const [unanswered] = open
  if (unanswered === undefined) return null
  return refuse('invalid_request', `No tool output found in 'input' for function call ${unanswered}.`, {
    param: 'input',
  })
}

type ChatAsk = Extract<EngineRequest, { kind: 'chat' }>

/** All that an engine is asked for but the model and how many tokens. */
export function responseExtras({
  request,
}: ResponseAsk): Pick<ChatAsk, 'sampling' | 'format' | 'tools' | 'topLogprobs'> {
  const { temperature, top_p, include, top_logprobs, tools, tool_choice, parallel_tool_calls } = request
  const format = formatOf(request)
  const named = typeof tool_choice === 'object' ? tool_choice?.name : undefined
  const hasTools = tools && tools.length > 0 && tool_choice !== 'none'
  return {
    sampling: samplingOf({ temperature, top_p }),
    ...(format && { format }),
    ...(hasTools && {
      tools: {
        list: tools.map(({ type: _, ...definition }) => toEngineTool(definition)),
        choice: named === undefined ? (tool_choice === 'required' ? 'required' : 'auto') : { name: named },
        mayBeParallel: parallel_tool_calls !== false,
      },
    }),
    ...((include ?? []).length > 0 && { topLogprobs: top_logprobs ?? 0 }),
  }
}

function formatOf({ text }: ResponseRequest): OutputFormat | null {
  const format = text?.format
  if (!format || format.type === 'text') return null
  if (format.type === 'json_object') return { type: 'json_object' }
  const { name, schema, strict } = format
  return { type: 'json_schema', name, schema, isStrict: strict === true }
}

/** The conversation as engines take it: calls in a row, and those behind a message of the assistant, are of one turn. */
export function responseMessages({ request, items }: ResponseAsk): EngineMessage[] {
  const messages: EngineMessage[] = []
  if (request.instructions) messages.push({ role: 'system', content: request.instructions })
  for (const item of items) {
    if (item.type === 'function_call') {
      const call = { id: item.call_id, name: item.name, arguments: item.arguments }
      const last = messages.at(-1)
      if (last?.role === 'assistant') last.toolCalls = [...(last.toolCalls ?? []), call]
      else messages.push({ role: 'assistant', content: '', toolCalls: [call] })
    } else if (item.type === 'function_call_output') {
      messages.push({ role: 'tool', content: textOf(item.output), toolCallId: item.call_id })
    } else {
      const role = item.role === 'developer' ? 'system' : item.role
      messages.push({ role, content: textOf(item.content) })
    }
  }
  return messages
}

type Content = Extract<InputItem, { role: string }>['content']
const textOf = (content: Content): string =>
  typeof content === 'string'
    ? content
    : content.map((part) => (part.type === 'refusal' ? part.refusal : part.text)).join('')
