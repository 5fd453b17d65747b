import { z } from 'zod'

export const Sampling = z.object({
  temperature: z.number().min(0).max(2),
  topP: z.number().gt(0).max(1),
  seed: z.int().optional(),
  /** Generation ends before the first of these appears in the text. */
  stop: z.array(z.string()).max(4),
  frequencyPenalty: z.number().min(-2).max(2),
  presencePenalty: z.number().min(-2).max(2),
})
export type Sampling = z.output<typeof Sampling>

/** What the gateway asks an engine to do: the caller's request, validated and bounded. Crosses to the agent as JSON. */
export const EngineRequest = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('chat'),
    requestId: z.string(),
    model: z.string(),
    /** A last message of the assistant is continued where it ends, not answered. */
    messages: z.array(z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() })),
    maxTokens: z.int().positive(),
    sampling: Sampling,
  }),
  z.object({
    kind: z.literal('completion'),
    requestId: z.string(),
    model: z.string(),
    prompt: z.string(),
    maxTokens: z.int().positive(),
    sampling: Sampling,
  }),
  z.object({
    kind: z.literal('embedding'),
    requestId: z.string(),
    model: z.string(),
    inputs: z.array(z.string()),
  }),
])
export type EngineRequest = z.output<typeof EngineRequest>
