import type { EngineRequest } from '#protocol/engine-request.ts'

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
  if (request.kind === 'completion')
    return { path: '/completions', body: { ...common, prompt: request.prompt } }
  // vLLM and SGLang answer the assistant's last message unless told to go on with it; llama-server goes on by itself.
  const isContinued = request.messages.at(-1)?.role === 'assistant'
  const continued = isContinued ? { continue_final_message: true, add_generation_prompt: false } : {}
  return { path: '/chat/completions', body: { ...common, messages: request.messages, ...continued } }
}

const streaming = { stream: true, stream_options: { include_usage: true } }

function samplingOf(sampling: Extract<EngineRequest, { kind: 'chat' }>['sampling']): Record<string, unknown> {
  const { temperature, topP, seed, stop, frequencyPenalty, presencePenalty } = sampling
  return {
    temperature,
    top_p: topP,
    ...(seed === undefined ? {} : { seed }),
    ...(stop.length === 0 ? {} : { stop }),
    ...(frequencyPenalty === 0 ? {} : { frequency_penalty: frequencyPenalty }),
    ...(presencePenalty === 0 ? {} : { presence_penalty: presencePenalty }),
  }
}

const BYTES_PER_TOKEN = 4

/** Roughly what the prompt comes to: claimed until the upstream says it exactly. */
export function estimatePromptTokens(request: EngineRequest): number {
  const texts =
    request.kind === 'chat'
      ? request.messages.map(({ content }) => content)
      : request.kind === 'completion'
        ? [request.prompt]
        : request.inputs
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  return Math.max(1, Math.ceil(bytes / BYTES_PER_TOKEN))
}
