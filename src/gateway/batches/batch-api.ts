/** `/v1/files` and `/v1/batches`, as OpenAI's API has them: which call is which. */
import type { Exchange } from '#host/host.ts'
import { allows } from '#organisations/organisations.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import type { Scope } from '#protocol/scope.ts'
import { respondProblem } from '../openai-problem.ts'
import { ANSWERED, type BatchApiParts, type BatchCall, type Handler } from './batch-call.ts'
import { cancelBatch, createBatch, getBatch, listBatches } from './batch-calls.ts'
import { createFile, deleteFile, getContent, getFile, listFiles } from './file-calls.ts'

export interface BatchApi {
  /** Answers, if the path is one of its own. */
  serve(call: BatchCall): boolean
}

interface Endpoint {
  readonly method: string
  readonly path: RegExp
  readonly scope: Scope
  readonly handle: Handler
}

const endpoints: readonly Endpoint[] = [
  { method: 'POST', path: /^\/v1\/files$/, scope: 'developer', handle: createFile },
  { method: 'GET', path: /^\/v1\/files$/, scope: 'viewer', handle: listFiles },
  { method: 'GET', path: /^\/v1\/files\/([^/]+)$/, scope: 'viewer', handle: getFile },
  { method: 'DELETE', path: /^\/v1\/files\/([^/]+)$/, scope: 'developer', handle: deleteFile },
  { method: 'GET', path: /^\/v1\/files\/([^/]+)\/content$/, scope: 'viewer', handle: getContent },
  { method: 'POST', path: /^\/v1\/batches$/, scope: 'developer', handle: createBatch },
  { method: 'GET', path: /^\/v1\/batches$/, scope: 'viewer', handle: listBatches },
  { method: 'GET', path: /^\/v1\/batches\/([^/]+)$/, scope: 'viewer', handle: getBatch },
  { method: 'POST', path: /^\/v1\/batches\/([^/]+)\/cancel$/, scope: 'developer', handle: cancelBatch },
]

export const createBatchApi = (parts: BatchApiParts): BatchApi => ({
  serve(call) {
    const { exchange, path, requestId, timing, caller } = call
    if (!/^\/v1\/(files|batches)(\/|$)/.test(path)) return false
    const refuse = (problem: Problem): void => respondProblem(exchange, requestId, problem, timing())
    const there = endpoints.filter((endpoint) => endpoint.path.test(path))
    const endpoint = there.find(({ method }) => method === exchange.method)
    if (!endpoint) {
      refuse(there.length > 0 ? wrongMethod(exchange, path, there) : noSuchPath(exchange, path))
      return true
    }
    if (!allows(caller.scopes, endpoint.scope)) {
      refuse(scopeMissing(endpoint.scope))
      return true
    }
    const id = endpoint.path.exec(path)?.[1] ?? ''
    let isOpen = true
    exchange.onClose(() => {
      isOpen = false
    })
    endpoint.handle(parts, call, id).then(
      (value) => {
        if (value === ANSWERED || !isOpen) return
        if (value instanceof Problem) return refuse(value)
        const headers = { 'content-type': 'application/json', 'x-request-id': requestId, ...timing() }
        exchange.respond(200, headers, JSON.stringify(value))
      },
      (error: unknown) => {
        if (isOpen) refuse(toProblem(error))
      },
    )
    return true
  },
})

const scopeMissing = (scope: string): Problem =>
  new Problem(
    'scope_missing',
    `This API key lacks the scope '${scope}'. Make one that has it with "shoal keys create".`,
  )

const wrongMethod = ({ method }: Exchange, path: string, there: readonly Endpoint[]): Problem =>
  new Problem(
    'method_not_allowed',
    `${path} takes ${there.map((one) => one.method).join(' or ')}, not ${method}.`,
  )

const noSuchPath = ({ method }: Exchange, path: string): Problem =>
  new Problem('not_found', `There is no ${method} ${path}. See /docs for what there is.`)
