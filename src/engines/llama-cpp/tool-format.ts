/**
 * How calls of tools are written in the text between the model and this engine: between `<tool_call>` marks, as JSON with
 * `name` and `arguments`. It is what most models with tools were trained on, and the others are told so in words.
 */
import type { EngineMessage, EngineTool } from '#protocol/engine-request.ts'

export const CALL_BEGIN = '<tool_call>'
export const CALL_END = '</tool_call>'

/** A tool as chat templates take it. */
export const toTemplateTool = ({ name, description, parameters }: EngineTool) => ({
  type: 'function',
  function: {
    name,
    ...(description === undefined ? {} : { description }),
    parameters: parameters ?? { type: 'object', properties: {} },
  },
})

/** Tells a model whose template knows no tools, in its system's words, which there are and how they are called. */
const toolSection = (tools: readonly EngineTool[]): string =>
  [
    '# Tools',
    '',
    'You may call one or more functions to assist with the user query.',
    '',
    'You are provided with function signatures within <tools></tools> XML tags:',
    '<tools>',
    ...tools.map((tool) => JSON.stringify(toTemplateTool(tool))),
    '</tools>',
    '',
    `For each function call, return a json object with function name and arguments within ${CALL_BEGIN}${CALL_END} XML tags:`,
    CALL_BEGIN,
    '{"name": <function-name>, "arguments": <args-json-object>}',
    CALL_END,
  ].join('\n')

/** The conversation without tools, calls and results, all of them written out as text. */
export function inPlainText(
  messages: readonly EngineMessage[],
  tools: readonly EngineTool[],
): EngineMessage[] {
  const plain: EngineMessage[] = []
  for (const message of messages) {
    if (message.role === 'tool') addResult(plain, message.content)
    else if (message.toolCalls) plain.push({ role: message.role, content: callsAsText(message) })
    else plain.push({ role: message.role, content: message.content })
  }
  if (tools.length === 0) return plain
  const [first, ...rest] = plain
  if (first?.role !== 'system') return [{ role: 'system', content: toolSection(tools) }, ...plain]
  return [{ role: 'system', content: `${first.content}\n\n${toolSection(tools)}` }, ...rest]
}

/** Results in a row are one message: many templates want turns to alternate. */
function addResult(plain: EngineMessage[], content: string): void {
  const text = `<tool_response>\n${content}\n</tool_response>`
  const last = plain.at(-1)
  if (last?.role === 'user' && last.content.endsWith('</tool_response>')) {
    plain[plain.length - 1] = { role: 'user', content: `${last.content}\n${text}` }
  } else plain.push({ role: 'user', content: text })
}

function callsAsText({ content, toolCalls = [] }: EngineMessage): string {
  const calls = toolCalls.map(
    (call) =>
      `${CALL_BEGIN}\n{"name": ${JSON.stringify(call.name)}, "arguments": ${call.arguments || '{}'}}\n${CALL_END}`,
  )
  return [...(content === '' ? [] : [content]), ...calls].join('\n')
}
