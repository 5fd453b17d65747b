/** The API's OpenAPI 3.1 document, derived from the route tables: nothing in it is written twice. */
import { z } from 'zod'
import { type BlobRoute, blobRoutes, PackBytes } from './blobs.ts'
import { OpenAiErrorReply } from './openai-reply.ts'
import { type OpenAiRoute, openAiRoutes } from './openai-routes.ts'
import { ProblemReply } from './problem-reply.ts'
import type { Route, Routes } from './route.ts'
import { routes } from './routes.ts'
import { VERSION } from './version.ts'

type Json = Readonly<Record<string, unknown>>
type AnyRoute = Route | OpenAiRoute | BlobRoute

export interface OpenApiOperation {
  readonly operationId: string
  readonly summary: string
  readonly description?: string
  readonly tags: readonly string[]
  readonly 'x-scope': string
  readonly security: readonly Json[]
  readonly parameters?: readonly OpenApiParameter[]
  readonly requestBody?: Json
  readonly responses: Readonly<Record<string, Json>>
}
export interface OpenApiParameter {
  readonly name: string
  readonly in: 'path' | 'query'
  readonly required: boolean
  readonly description?: string
  readonly schema: Json
}
export interface OpenApiDocument {
  readonly openapi: '3.1.0'
  readonly info: Json & { readonly title: string; readonly version: string; readonly description: string }
  readonly tags: readonly { readonly name: string; readonly description: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>
  readonly components: {
    readonly securitySchemes: Json
    readonly schemas: Readonly<Record<string, Json>>
    readonly responses: Readonly<Record<string, Json>>
  }
}

/** The document of every endpoint there is: the control API, and `/v1` as the gateway serves it. */
export const describeApi = (): OpenApiDocument => openApiDocument(routes, openAiRoutes, blobRoutes)

export function openApiDocument(
  control: Routes,
  openAi: Readonly<Record<string, OpenAiRoute>>,
  blobs: Readonly<Record<string, BlobRoute>> = {},
): OpenApiDocument {
  const paths: Record<string, Record<string, OpenApiOperation>> = {}
  const add = (route: AnyRoute, operation: OpenApiOperation): void => {
    const path = route.path.replace(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation }
  }
  for (const [name, route] of Object.entries(openAi)) add(route, describeOpenAiRoute(name, route))
  for (const [name, route] of Object.entries(control)) add(route, describeRoute(name, route))
  for (const [name, route] of Object.entries(blobs)) add(route, describeBlobRoute(name, route))
  const responses = { Problem: problemResponse(), OpenAiError: openAiErrorResponse() }
  return {
    openapi: '3.1.0',
    info: { title: 'Shoal', version: VERSION, description: INTRODUCTION, license: LICENSE },
    tags: tagsOf(paths),
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: 'An API key of the network.' },
      },
      responses,
      schemas: usedSchemas([paths, responses]),
    },
  }
}

const LICENSE = { name: 'Apache-2.0', identifier: 'Apache-2.0' }
const INTRODUCTION = [
  'An open GPU network. `/v1` is OpenAI’s API as far as it is served: point any OpenAI client at it.',
  '`/api` runs the network: organisations, keys, money, nodes, usage.',
  '',
  'Amounts are billionths of a US dollar in decimal strings. Lists are `{items, next}`: give `next` as `before` to',
  'get the following page. Errors on `/api` are RFC 9457 problem documents, on `/v1` OpenAI’s error objects.',
  'Every answer carries `x-request-id`.',
].join('\n')

const tagDescriptions: Readonly<Record<string, string>> = {
  openai: 'OpenAI’s API, served by the gateway.',
  accounts: 'Money: balances, deposits, statements, earnings.',
  audit: 'What was done, by whom: a chain of hashes.',
  blobs: 'Files of jobs, by their content.',
  economics: 'What a GPU really earns, and where it should work. For everybody, without a key.',
  'enrolment-tokens': 'How machines become nodes.',
  health: 'Whether the network serves.',
  holdbacks: 'Pay that is kept back.',
  invitations: 'How people become members.',
  key: 'The calling key.',
  keys: 'API keys.',
  ledger: 'The proof that the books are right.',
  incidents: 'What went wrong, as everybody may know it.',
  maintenance: 'Work on the network, announced ahead.',
  members: 'The people of an organisation.',
  sla: 'What is promised, how it was kept to, and the evidence.',
  'status-page': 'How the network does, for everybody.',
  nodes: 'The machines that do the work.',
  organisations: 'Who owns keys, accounts and nodes.',
  payouts: 'Earned money on its way out.',
  projects: 'What keys and usage are counted for.',
  'read-models': 'The tables behind lists and statements.',
  'service-accounts': 'The programs of an organisation.',
  status: 'The network at a glance.',
  live: 'What the network does at this moment.',
  usage: 'Requests, as metered and billed.',
}

/** The first word of a path names its part of the API. */
const tagOf = (route: AnyRoute): string =>
  route.path.startsWith('/v1/') ? 'openai' : (route.path.split('/')[2] ?? '')

function tagsOf(paths: OpenApiDocument['paths']): OpenApiDocument['tags'] {
  const names = new Set<string>()
  for (const operations of Object.values(paths)) {
    for (const { tags } of Object.values(operations)) for (const tag of tags) names.add(tag)
  }
  return [...names].map((name) => ({ name, description: tagDescriptions[name] ?? '' }))
}

function describeRoute(operationId: string, route: Route): OpenApiOperation {
  const body = route.method === 'GET' ? undefined : route.body
  const parameters = [...parametersOf('path', route.params), ...parametersOf('query', route.query)]
  return {
    ...describeCommon(operationId, route),
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: true, content: jsonContent(body, exampleOf(route)) } }),
    responses: {
      [route.status ?? 200]: { description: 'Done.', content: jsonContent(route.reply) },
      default: { $ref: '#/components/responses/Problem' },
    },
  }
}

const exampleOf = (route: Route): Json | undefined => (route.method === 'GET' ? undefined : route.example)

function describeOpenAiRoute(operationId: string, route: OpenAiRoute): OpenApiOperation {
  const parameters = [...parametersOf('path', route.params), ...parametersOf('query', route.query)]
  const content = route.isBinary
    ? { 'application/octet-stream': { schema: schemaOf(route.reply) } }
    : jsonContent(route.reply)
  const streamed = route.chunk && { 'text/event-stream': { schema: schemaOf(route.chunk) } }
  return {
    ...describeCommon(operationId, route),
    ...(parameters.length > 0 && { parameters }),
    ...(route.body && {
      requestBody: {
        required: true,
        content: route.isForm
          ? { 'multipart/form-data': { schema: schemaOf(route.body) } }
          : jsonContent(route.body, route.example),
      },
    }),
    responses: {
      200: { description: 'Done.', content: { ...content, ...streamed } },
      default: { $ref: '#/components/responses/OpenAiError' },
    },
  }
}

function describeBlobRoute(operationId: string, route: BlobRoute): OpenApiOperation {
  const parameters = parametersOf('path', route.params)
  const bytes = (schema: z.ZodType) => ({ 'application/octet-stream': { schema: schemaOf(schema) } })
  const content = route.takesBytes ? bytes(PackBytes) : route.body && jsonContent(route.body, route.example)
  return {
    ...describeCommon(operationId, route),
    ...(parameters.length > 0 && { parameters }),
    ...(content && { requestBody: { required: true, content } }),
    responses: {
      200: { description: 'Done.', content: route.isBinary ? bytes(route.reply) : jsonContent(route.reply) },
      default: { $ref: '#/components/responses/Problem' },
    },
  }
}

const scopeSentences: Readonly<Record<string, string>> = {
  public: 'Needs no key.',
  enrolment_token: 'Needs no key: the enrolment token in the body says who may.',
  invitation_token: 'Needs no key: the invitation in the body says who may.',
}

function describeCommon(operationId: string, route: AnyRoute): Omit<OpenApiOperation, 'responses'> {
  const sentence = scopeSentences[route.scope]
  return {
    operationId,
    summary: route.summary,
    description: [sentence ?? `Needs a key with scope \`${route.scope}\`.`, route.description]
      .filter((text) => text !== undefined)
      .join('\n\n'),
    tags: [tagOf(route)],
    'x-scope': route.scope,
    security: sentence === undefined ? [{ apiKey: [] }] : [],
  }
}

function parametersOf(where: 'path' | 'query', schema: z.ZodObject | undefined): OpenApiParameter[] {
  return Object.entries(schema?.shape ?? {}).map(([name, member]) => {
    // The output side: a number in a query is said to be one, though it crosses the wire as text.
    const {
      description,
      $schema: _,
      ...json
    } = z.toJSONSchema(member as z.ZodType, { io: 'output', override })
    const isRequired = !(member as z.ZodType).safeParse(undefined).success
    return { name, in: where, required: isRequired, ...(description && { description }), schema: json }
  })
}

/** Leaves out the bounds of integers that only say "a safe integer of JavaScript". */
function override({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
}

const jsonContent = (schema: z.ZodType, example?: Json) => ({
  'application/json': { schema: schemaOf(schema), ...(example && { example }) },
})

function problemResponse(): Json {
  return {
    description: 'What went wrong, as RFC 9457 problem details.',
    content: { 'application/problem+json': { schema: schemaOf(ProblemReply) } },
  }
}

function openAiErrorResponse(): Json {
  return { description: 'What went wrong, as OpenAI says it.', content: jsonContent(OpenAiErrorReply) }
}

/** A reference to a schema with a `meta.id`, which every body and reply has. */
function schemaOf(schema: z.ZodType): Json {
  const id = z.globalRegistry.get(schema)?.id
  if (id === undefined) throw new Error('a body or reply without an id in its meta')
  return { $ref: referenceTo(id) }
}

const referenceTo = (id: string): string => `#/components/schemas/${id}`

/** The wire form of the schemas that `roots` refer to, directly or through one another, by name. */
function usedSchemas(roots: readonly unknown[]): Record<string, Json> {
  const all = z.toJSONSchema(z.globalRegistry, {
    io: 'input',
    uri: referenceTo,
    unrepresentable: 'any',
    override,
  })
  const used = new Map<string, Json>()
  const visit = (value: unknown): void => {
    for (const [, id = ''] of JSON.stringify(value).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      if (used.has(id)) continue
      const { $schema: _, $id: __, ...schema } = all.schemas[id] ?? {}
      used.set(id, schema)
      visit(schema)
    }
  }
  visit(roots)
  return Object.fromEntries([...used].sort(([a], [b]) => (a < b ? -1 : 1)))
}
