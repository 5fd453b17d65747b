import type { EngineMessage, EngineRequest, EngineTools, OutputFormat } from '#protocol/engine-request.ts'

export interface UpstreamBody {
  /** Below the base URL. */
  readonly path: string
  readonly body: Readonly<Record<string, unknown>>
}

/** `request` as an OpenAI-compatible server takes it. Defaults are left out: some servers refuse fields they do not know. */
export function toUpstreamBody(request: EngineRequest): UpstreamBody {
  if (request.kind === 'embedding') {
    const { model, inputs } = request
    return { path: '/embeddings', body: { model, input: inputs, encoding_format: 'float' } }
  }
  const common = {
    model: request.model,
    max_tokens: request.maxTokens,
    ...streaming,
    ...samplingOf(request.sampling),
  }
  if (request.kind === 'completion') {
    const { prompt, topLogprobs: logprobs } = request
    return { path: '/completions', body: { ...common, prompt, ...(logprobs !== undefined && { logprobs }) } }
  }
  // vLLM and SGLang answer the assistant's last message unless told to go on with it; llama-server goes on by itself.
  const last = request.messages.at(-1)
  const isContinued = last?.role === 'assistant' && !last.toolCalls
  const continued = isContinued ? { continue_final_message: true, add_generation_prompt: false } : {}
  const { format, tools, topLogprobs } = request
  return {
    path: '/chat/completions',
    body: {
      ...common,
      messages: request.messages.map(toMessage),
      ...continued,
      ...(format && { response_format: toResponseFormat(format) }),
      ...(tools && toToolMembers(tools)),
      ...(topLogprobs !== undefined && { logprobs: true, top_logprobs: topLogprobs }),
    },
  }
}

const toMessage = ({ role, content, toolCalls, toolCallId }: EngineMessage): Record<string, unknown> => ({
  role,
  content,
  ...(toolCalls && {
    tool_calls: toolCalls.map(({ id, name, arguments: text }) => ({
      id,
      type: 'function',
      function: { name, arguments: text },
    })),
  }),
  ...(toolCallId !== undefined && { tool_call_id: toolCallId }),
})

const toResponseFormat = (format: OutputFormat): Record<string, unknown> =>
  format.type === 'json_object'
    ? { type: 'json_object' }
    : {
        type: 'json_schema',
        json_schema: { name: format.name, schema: format.schema, ...(format.isStrict && { strict: true }) },
      }

const toToolMembers = ({ list, choice, mayBeParallel }: EngineTools): Record<string, unknown> => ({
  tools: list.map(({ name, description, parameters, isStrict }) => ({
    type: 'function',
    function: {
      name,
      ...(description !== undefined && { description }),
      ...(parameters && { parameters }),
      ...(isStrict && { strict: true }),
    },
  })),
  // What is the default is left out.
  ...(choice !== 'auto' && {
    tool_choice: choice === 'required' ? choice : { type: 'function', function: { name: choice.name } },
  }),
  ...(!mayBeParallel && { parallel_tool_calls: false }),
})

const streaming = { stream: true, stream_options: { include_usage: true } }

function samplingOf(sampling: Extract<EngineRequest, { kind: 'chat' }>['sampling']): Record<string, unknown> {
  const { temperature, topP, seed, stop, frequencyPenalty, presencePenalty, logitBias } = sampling
  return {
    temperature,
    top_p: topP,
    ...(seed === undefined ? {} : { seed }),
    ...(stop.length === 0 ? {} : { stop }),
    ...(frequencyPenalty === 0 ? {} : { frequency_penalty: frequencyPenalty }),
    ...(presencePenalty === 0 ? {} : { presence_penalty: presencePenalty }),
    ...(logitBias && { logit_bias: logitBias }),
  }
}

const BYTES_PER_TOKEN = 4

/** Roughly what the prompt comes to: claimed until the upstream says it exactly. */
export function estimatePromptTokens(request: EngineRequest): number {
  const texts =
    request.kind === 'chat'
      ? [
          ...request.messages.map(({ content }) => content),
          ...(request.tools ? [JSON.stringify(request.tools.list)] : []),
        ]
      : request.kind === 'completion'
        ? [request.prompt]
        : request.inputs
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  return Math.max(1, Math.ceil(bytes / BYTES_PER_TOKEN))
}
