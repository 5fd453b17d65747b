/** What an answer may be, as grammars: the whole of it, and each call of a tool from its mark on. */
import { TOOL_CALLS_MAX } from '#protocol/delta-detail.ts'
import type { EngineTools, OutputFormat } from '#protocol/engine-request.ts'
import { Problem } from '#protocol/problem.ts'
import { GrammarRules, literal } from './grammar-rules.ts'
import { schemaRule } from './json-schema-grammar.ts'
import { CALL_BEGIN, CALL_END } from './tool-format.ts'

export interface AnswerGrammar {
  /** Of the whole answer; `null` where it is free text. */
  readonly whole: string | null
  /** Of what follows the mark of a call, to its end; `null` where there are none or `whole` holds them. */
  readonly call: string | null
}

type Tool = EngineTools['list'][number]

/** Throws `Problem('invalid_request')` naming what a schema asks that no grammar can hold. */
export function answerGrammar(request: {
  format?: OutputFormat | undefined
  tools?: EngineTools | undefined
}): AnswerGrammar {
  const { format, tools } = request
  const isFree = !format && (!tools || tools.choice === 'auto')
  const rules = new GrammarRules()
  const call = tools ? rules.add('call', callRule(tools, rules)) : null
  if (isFree) {
    if (!call) return { whole: null, call: null }
    return { whole: null, call: rules.write(`ws ${call} ws ${literal(CALL_END)}`) }
  }
  const parts: string[] = []
  if (call) {
    const one = rules.add('calls', `${literal(`${CALL_BEGIN}\n`)} ${call} ${literal(`\n${CALL_END}`)}`)
    parts.push(tools?.mayBeParallel ? `${one} ("\\n" ${one}){0,${TOOL_CALLS_MAX - 1}}` : one)
  }
  if (format && (!tools || tools.choice === 'auto')) parts.push(formatRule(format, rules))
  return { whole: rules.write(parts.join(' | ')), call: null }
}

function formatRule(format: OutputFormat, rules: GrammarRules): string {
  if (format.type === 'json_object') return rules.object()
  const { schema } = format
  return rules.add(
    'answer',
    schemaRule(schema, { rules, root: schema, path: 'response_format.json_schema.schema', scope: 'format' }),
  )
}

function callRule({ list, choice }: EngineTools, rules: GrammarRules): string {
  const numbered = list.map((tool, index) => ({ tool, index }))
  const callable =
    typeof choice === 'object' ? numbered.filter(({ tool }) => tool.name === choice.name) : numbered
  return callable
    .map(({ tool, index }) => {
      const head = `"{" ws "\\"name\\"" ws ":" ws ${literal(JSON.stringify(tool.name))}`
      return rules.add(
        'tool',
        `${head} ws "," ws "\\"arguments\\"" ws ":" ws ${argumentsRule(tool, index, rules)} ws "}"`,
      )
    })
    .join(' | ')
}

/** A tool that is not strict promises nothing of its arguments but that they are an object. */
function argumentsRule({ parameters, isStrict }: Tool, index: number, rules: GrammarRules): string {
  if (!parameters) return isStrict ? '"{" ws "}"' : rules.object()
  const place = {
    rules,
    root: parameters,
    path: `tools[${index}].function.parameters`,
    scope: `tool ${index}`,
  }
  try {
    return rules.add('arguments', schemaRule({ type: 'object', ...parameters }, place))
  } catch (error) {
    if (isStrict || !(error instanceof Problem)) throw asFunctionProblem(error)
    return rules.object()
  }
}

const asFunctionProblem = (error: unknown): unknown =>
  error instanceof Problem
    ? new Problem(error.code, error.message, {
        details: { ...error.details, code: 'invalid_function_parameters' },
        cause: error,
      })
    : error
