import { callerFeatures, type EngineFeature } from '#protocol/engine-features.ts'
import { Problem } from '#protocol/problem.ts'
import type { EngineModel } from '../engine.ts'
import type { UpstreamAddress } from './openai-run.ts'
import type { UpstreamHttp } from './upstream-http.ts'
import { type ListedModel, ModelList, parseJson, problemOfStatus } from './upstream-replies.ts'

export interface LookupOptions extends UpstreamAddress {
  readonly place: string
  readonly slots: number
  readonly contextTokens: number
  /** Names of the models to offer; `undefined` for all. */
  readonly wanted: readonly string[] | undefined
}

export interface ModelLookup {
  abort(): void
}

const LOOKUP_MS_MAX = 10_000
const LIST_BYTES_MAX = 4 * 1024 * 1024

/** Asks the server for its models once. A problem with `isGone` in its details says that nobody is there at all. */
export function lookUpModels(
  upstream: UpstreamHttp,
  options: LookupOptions,
  done: (result: readonly EngineModel[] | Problem) => void,
): ModelLookup {
  const chunks: Uint8Array[] = []
  let status = 0
  let bytes = 0
  const exchange = upstream.request(
    {
      method: 'GET',
      path: `${options.basePath}/models`,
      headers: { ...options.headers, accept: 'application/json' },
      body: null,
      headMsMax: LOOKUP_MS_MAX,
      silenceMsMax: LOOKUP_MS_MAX,
    },
    {
      onHead: (answered) => {
        status = answered
      },
      onData: (chunk) => {
        bytes += chunk.length
        if (bytes <= LIST_BYTES_MAX) chunks.push(chunk)
      },
      onEnd: () => done(readList(status, Buffer.concat(chunks).toString(), options)),
      onFail: ({ code, message }) =>
        done(new Problem('engine_failed', message, { details: { isGone: code === 'network_unreachable' } })),
    },
  )
  return exchange
}

function readList(status: number, body: string, options: LookupOptions): readonly EngineModel[] | Problem {
  const { place, wanted } = options
  if (status === 404) {
    const message = `The server at ${place} has no ${options.basePath}/models. Check that the base URL ends as the server's API does (often /v1).`
    return new Problem('engine_failed', message, { details: { upstreamStatus: status } })
  }
  if (status !== 200) return problemOfStatus(status, body, place)
  const list = ModelList.safeParse(parseJson(body)).data
  if (list === undefined)
    return new Problem('engine_failed', `The server at ${place} sent what is no list of models.`)
  const models = (list.data ?? [])
    .filter(({ id }) => wanted === undefined || wanted.includes(id))
    .map((listed) => toEngineModel(listed, options))
  if (models.length > 0) return models
  const what = wanted === undefined ? 'no model' : `none of ${wanted.join(', ')}`
  return new Problem('engine_failed', `The server at ${place} has ${what} loaded. Load one there.`)
}

/** The server does not tell what a model is for, so everything may be asked; weights are known by their name alone. */
function toEngineModel(listed: ListedModel, { slots, contextTokens }: LookupOptions): EngineModel {
  return {
    id: listed.id,
    tasks: ['chat', 'completion', 'embedding'],
    contextTokens: listed.max_model_len ?? listed.meta?.n_ctx_train ?? contextTokens,
    slots,
    fingerprint: `name:${listed.root ?? listed.id}`,
    features: featuresOf(listed.owned_by ?? ''),
  }
}

/**
 * Servers that take what OpenAI's API has, or refuse it: all but Ollama, which passes over what it does not know and
 * names itself `library` in its list.
 */
const featuresOf = (owner: string): readonly EngineFeature[] =>
  owner === 'library' ? ['tools', 'json_object', 'json_schema'] : callerFeatures
