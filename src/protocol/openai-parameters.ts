/**
 * What a request to the OpenAI-compatible API may say, checked in this order: names that OpenAI does not know are
 * refused by name, names that it knows and we do not serve are refused as `unsupported_parameter` unless their value
 * asks for nothing, and the rest must have the right type and range. Nothing is ever silently ignored that would
 * change the answer.
 */
import type { z } from 'zod'
import { formatPath } from './describe-issue.ts'
import { describeValue, nameType } from './openai-issue.ts'
import { Problem } from './problem.ts'

/** Parameters that are known but not served, each with the values that ask for nothing. */
export type UnservedParameters = Readonly<Record<string, (value: unknown) => boolean>>

/** `{ok}` with the decoded request, or what to answer instead; `details.param` names the culprit. */
export type ParsedRequest<Request> = { readonly ok: Request } | Problem

export const isNothing = (value: unknown): boolean => value === undefined || value === null
/** Nothing, or one of `values`. */
export const onlyOf =
  (...values: readonly unknown[]) =>
  (value: unknown): boolean =>
    isNothing(value) || values.includes(value)
export const isEmpty = (value: unknown): boolean =>
  isNothing(value) || (typeof value === 'object' && Object.keys(value ?? {}).length === 0)

export interface RequestKind<Schema extends z.ZodObject> {
  readonly schema: Schema
  readonly unserved: UnservedParameters
  /** Where it stands in the request; the whole of it unless given. */
  readonly at?: readonly PropertyKey[]
  /** Refuses what is known but not served deeper inside, before types are looked at. */
  screen?(json: Readonly<Record<string, unknown>>): Problem | null
  /** Refuses members that do not go together. */
  check(request: z.output<Schema>): Problem | null
}

export function parseRequest<Schema extends z.ZodObject>(
  json: unknown,
  kind: RequestKind<Schema>,
): ParsedRequest<z.output<Schema>> {
  const { schema, unserved, at = [] } = kind
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    const where = formatPath(at)
    const subject = where === '' ? 'The body' : `'${where}'`
    return refuse('invalid_request', `${subject} must be a JSON object, but is ${nameType(json)}.`, {
      param: where === '' ? null : where,
      code: 'invalid_type',
    })
  }
  const names = screenNames(json, Object.keys(schema.shape), unserved, at)
  const problem = names ?? kind.screen?.(json as Record<string, unknown>)
  if (problem) return problem
  const parsed = schema.safeParse(json)
  if (parsed.success) return kind.check(parsed.data) ?? { ok: parsed.data }
  const issue = parsed.error.issues[0]
  return issue
    ? describe(issue, json, at)
    : refuse('invalid_request', 'The request is not valid.', { param: null })
}

/** Refuses names that nobody knows, then those that we do not serve; `at` is the path of `value` in the request. */
export function screenNames(
  value: object,
  served: readonly string[],
  unserved: UnservedParameters,
  at: readonly PropertyKey[] = [],
): Problem | null {
  const names = Object.keys(value)
  const unknown = names.filter((name) => !served.includes(name) && !Object.hasOwn(unserved, name))
  if (unknown.length > 0) return unknownNames(unknown, at)
  for (const name of names) {
    const asksNothing = unserved[name]
    if (served.includes(name) || asksNothing?.(value[name as keyof typeof value])) continue
    return unsupported([...at, name])
  }
  return null
}

function unknownNames(names: readonly string[], at: readonly PropertyKey[]): Problem {
  const paths = names.map((name) => formatPath([...at, name]))
  const noun = paths.length === 1 ? 'argument' : 'arguments'
  return refuse('invalid_request', `Unrecognized request ${noun} supplied: ${paths.join(', ')}`, {
    param: paths[0] ?? null,
    code: 'unknown_parameter',
  })
}

/** `reason` continues the sentence that begins with the parameter's name. */
export function unsupported(
  path: readonly PropertyKey[],
  reason = 'is not served by this network. Leave it out and try again.',
): Problem {
  const param = formatPath(path)
  return refuse('unsupported_parameter', `Unsupported parameter: '${param}' ${reason}`, {
    param,
    code: 'unsupported_parameter',
  })
}

/** A caller's own names may be in both, of any length. */
const MESSAGE_LENGTH_MAX = 2_000
const PARAM_LENGTH_MAX = 200

export const refuse = (
  code: 'invalid_request' | 'unsupported_parameter',
  message: string,
  { param, code: reason = 'invalid_value' }: { param: string | null; code?: string },
): Problem =>
  new Problem(code, message.slice(0, MESSAGE_LENGTH_MAX), {
    details: { code: reason, param: param?.slice(0, PARAM_LENGTH_MAX) ?? null },
  })

function describe(told: z.core.$ZodIssue, json: object, at: readonly PropertyKey[]): Problem {
  const { issue, path: within } = sharpen(told, json)
  if (issue.code === 'unrecognized_keys') return unknownNames(issue.keys, [...at, ...within])
  const path = formatPath([...at, ...within])
  const found = valueAt(json, within)
  if (found === undefined) {
    return refuse('invalid_request', `Missing required parameter: '${path}'.`, {
      param: path,
      code: 'missing_required_parameter',
    })
  }
  const { code, text } = describeValue(issue, path, found)
  return refuse('invalid_request', text, { param: path, code })
}

/** Of a value that may be of several kinds: what is wrong with it as the kind that it is. */
function sharpen(told: z.core.$ZodIssue, json: object): { issue: z.core.$ZodIssue; path: PropertyKey[] } {
  let issue = told
  const path = [...told.path]
  while (issue.code === 'invalid_union') {
    const found = valueAt(json, path)
    const nearest = issue.errors
      .map(([first]) => first)
      .find((first) => first && !isOfOtherKind(first, found))
    if (!nearest) break
    issue = nearest
    path.push(...nearest.path)
  }
  return { issue, path }
}

function isOfOtherKind(issue: z.core.$ZodIssue, found: unknown): boolean {
  if (issue.path.length > 0) return false
  if (issue.code === 'invalid_value') return !issue.values.some((value) => typeof value === typeof found)
  return issue.code === 'invalid_type'
}

const valueAt = (json: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    json,
  )
