import { z } from 'zod'

export const Sampling = z.object({
  temperature: z.number().min(0).max(2),
  topP: z.number().gt(0).max(1),
  seed: z.int().optional(),
  /** Generation ends before the first of these appears in the text. */
  stop: z.array(z.string()).max(4),
  frequencyPenalty: z.number().min(-2).max(2),
  presencePenalty: z.number().min(-2).max(2),
  /** Added to the logits of these tokens of the model, by their id. Needs the feature `logit_bias`. */
  logitBias: z.record(z.string().regex(/^\d{1,9}$/), z.number().min(-100).max(100)).optional(),
})
export type Sampling = z.output<typeof Sampling>

/**
 * The engine's own ids of an answer that another node began: it goes on behind them, and neither repeats nor counts
 * them. `maxTokens` is what may still come. Only for models whose capability says `resumes`: others would begin anew.
 */
const resumedIds = z.array(z.int().nonnegative()).optional()

/** With each token its log probability, and those of this many likeliest ones. Needs the feature `logprobs`. */
const topLogprobs = z.int().min(0).max(20).optional()

/**
 * Nothing is generated: the engine says how likely it finds these tokens as the answer, each behind those before it, and after
 * them the end where `hasEnd`. The ids, or where nobody knows them the text. Needs the feature `score`; what it says comes as
 * `scores` of details. `maxTokens` is as the answer had it.
 */
const scored = z
  .object({
    tokenIds: z.array(z.int().nonnegative()).max(262_144).optional(),
    text: z.string().optional(),
    hasEnd: z.boolean(),
  })
  .optional()

/** Of the trace that the request belongs to, as W3C has it. Whoever works on the request puts its own span in its place. */
const traceparent = z.string().max(128).optional()

const JsonSchema = z.record(z.string(), z.unknown())

/** What the whole answer is to be. Needs the feature `json_object` or `json_schema`. */
export const OutputFormat = z.discriminatedUnion('type', [
  z.object({ type: z.literal('json_object') }),
  z.object({
    type: z.literal('json_schema'),
    name: z.string(),
    schema: JsonSchema,
    isStrict: z.boolean(),
  }),
])
export type OutputFormat = z.output<typeof OutputFormat>

export const EngineTool = z.object({
  name: z.string(),
  description: z.string().optional(),
  /** A JSON schema; without one the function takes an empty object. */
  parameters: JsonSchema.optional(),
  /** Calls keep to the schema, or are refused where the engine cannot hold them to it. */
  isStrict: z.boolean(),
})
export type EngineTool = z.output<typeof EngineTool>

/** Needs the feature `tools`, and for a call that must come `tool_choice` too. */
const EngineTools = z.object({
  list: z.array(EngineTool).min(1),
  choice: z.union([z.enum(['auto', 'required']), z.object({ name: z.string() })]),
  mayBeParallel: z.boolean(),
})
export type EngineTools = z.output<typeof EngineTools>

export const EngineMessage = z.object({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: z.string(),
  /** What an assistant called; `arguments` is its JSON as it came. */
  toolCalls: z.array(z.object({ id: z.string(), name: z.string(), arguments: z.string() })).optional(),
  /** Which call a message of role `tool` answers. */
  toolCallId: z.string().optional(),
})
export type EngineMessage = z.output<typeof EngineMessage>

/** What the gateway asks an engine to do: the caller's request, validated and bounded. Crosses to the agent as JSON. */
export const EngineRequest = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('chat'),
    requestId: z.string(),
    model: z.string(),
    /** A last message of the assistant is continued where it ends, not answered. */
    messages: z.array(EngineMessage),
    maxTokens: z.int().positive(),
    sampling: Sampling,
    format: OutputFormat.optional(),
    tools: EngineTools.optional(),
    /** What the model thinks before it answers comes too, as `reasoning` of details, from engines that tell it apart. */
    withReasoning: z.literal(true).optional(),
    topLogprobs,
    resumedIds,
    scored,
    traceparent,
  }),
  z.object({
    kind: z.literal('completion'),
    requestId: z.string(),
    model: z.string(),
    prompt: z.string(),
    maxTokens: z.int().positive(),
    sampling: Sampling,
    topLogprobs,
    resumedIds,
    scored,
    traceparent,
  }),
  z.object({
    kind: z.literal('embedding'),
    requestId: z.string(),
    model: z.string(),
    inputs: z.array(z.string()),
    /** From the gateway, of many: the vectors may come packed and in several frames. Gateways of before take one frame. */
    takesParts: z.literal(true).optional(),
    traceparent,
  }),
])
export type EngineRequest = z.output<typeof EngineRequest>
