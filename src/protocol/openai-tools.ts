/** Tools and formats of answers as OpenAI's chat API has them. */
import { z } from 'zod'

/** The names of functions and schemas. */
const Name = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[a-zA-Z0-9_-]+$/)

/** A schema is an object here; whether it can be kept to is checked by `json-schema-limits.ts` and by the engine. */
const JsonSchema = z.record(z.string(), z.unknown())

export const FunctionDefinition = z.strictObject({
  name: Name,
  description: z.string().max(1024).nullish(),
  parameters: JsonSchema.nullish().describe('A JSON schema of its arguments; none: it takes no arguments.'),
  strict: z.boolean().nullish().describe('Arguments keep to the schema, or the request is refused.'),
})
export type FunctionDefinition = z.output<typeof FunctionDefinition>

export const Tool = z.strictObject({ type: z.literal('function'), function: FunctionDefinition })
export const TOOLS_MAX = 128

export const ToolChoice = z.union(
  [
    z.enum(['none', 'auto', 'required']),
    z.strictObject({ type: z.literal('function'), function: z.strictObject({ name: z.string().min(1) }) }),
  ],
  'expected one of a string or object',
)

export const ResponseFormat = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    json_schema: z.strictObject({
      name: Name,
      description: z.string().max(1024).nullish(),
      schema: JsonSchema,
      strict: z.boolean().nullish(),
    }),
  }),
])
export type ResponseFormat = z.output<typeof ResponseFormat>

export const ToolCall = z.strictObject({
  id: z.string().min(1).max(200),
  type: z.literal('function'),
  function: z.strictObject({
    name: z.string().min(1).max(200),
    arguments: z.string().describe('JSON, as the model wrote it.'),
    parsed_arguments: z.unknown().optional().describe("The stock client's reading of it; has no effect."),
  }),
  /** Of a stream's deltas, which some clients send back with the rest. */
  index: z.int().optional(),
})
export type ToolCall = z.output<typeof ToolCall>
