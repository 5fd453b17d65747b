/** The messages of a conversation: which members each may have, and that tool calls and their results belong together. */
import {
  isEmpty,
  isNothing,
  refuse,
  screenNames,
  type UnservedParameters,
  unsupported,
} from './openai-parameters.ts'
import { ChatMessage } from './openai-request.ts'
import type { Problem } from './problem.ts'

/** What OpenAI's own replies carry beside role and content, so that a reply can be sent back as it came. */
const unservedInMessage = {
  annotations: isEmpty,
  audio: isNothing,
  function_call: isNothing,
  name: isNothing,
  // The stock client's reading of the content, which it sends back beside it.
  parsed: () => true,
  refusal: isNothing,
} satisfies UnservedParameters

/** A result may say whose it is: its `tool_call_id` says the same. */
const unservedInToolMessage = { ...unservedInMessage, name: () => true } satisfies UnservedParameters

/** Refuses by name what is not served, before types are looked at. */
export function screenMessages(messages: readonly unknown[]): Problem | null {
  for (const [index, message] of messages.entries()) {
    if (typeof message !== 'object' || message === null) continue
    const at = ['messages', index]
    const { role, content } = message as { role?: unknown; content?: unknown }
    if (role === 'function') {
      return unsupported(
        [...at, 'role'],
        `'function' is not served by this network. Its newer name is 'tool'.`,
      )
    }
    const unserved = role === 'tool' ? unservedInToolMessage : unservedInMessage
    const problem =
      screenNames(message, Object.keys(ChatMessage.shape), unserved, at) ?? screenContent(content, at)
    if (problem) return problem
  }
  return null
}

const UNSERVED_PARTS: readonly string[] = ['image_url', 'input_audio', 'audio', 'file']

function screenContent(content: unknown, at: readonly PropertyKey[]): Problem | null {
  if (!Array.isArray(content)) return null
  for (const [index, part] of content.entries()) {
    const type = (part as { type?: unknown } | null)?.type
    if (typeof type === 'string' && UNSERVED_PARTS.includes(type)) {
      return unsupported(
        [...at, 'content', index],
        `of type '${type}' is not served by this network, only 'text' is.`,
      )
    }
  }
  return null
}

/** Refuses messages without their content, calls without their results, and results that nobody called for. */
export function checkMessages(messages: readonly ChatMessage[]): Problem | null {
  let open: string[] = []
  let calledAt = 0
  for (const [index, { role, content, tool_calls, tool_call_id }] of messages.entries()) {
    if (role !== 'tool' && open.length > 0) return unanswered(open, calledAt)
    const problem = checkMembers({ role, content, tool_calls, tool_call_id }, `messages[${index}]`)
    if (problem) return problem
    if (role === 'tool') {
      if (!open.includes(tool_call_id ?? '')) return uncalled(index)
      open = open.filter((id) => id !== tool_call_id)
    } else if (tool_calls) {
      open = tool_calls.map(({ id }) => id)
      calledAt = index
    }
  }
  return open.length > 0 ? unanswered(open, calledAt) : null
}

function checkMembers(message: ChatMessage, at: string): Problem | null {
  const { role, content, tool_calls, tool_call_id } = message
  const missing = (name: string): Problem =>
    refuse('invalid_request', `Missing required parameter: '${at}.${name}'.`, {
      param: `${at}.${name}`,
      code: 'missing_required_parameter',
    })
  if (isNothing(content) && !tool_calls) {
    if (content === undefined) return missing('content')
    const text = `Invalid value for '${at}.content': expected a string, got null.`
    return refuse('invalid_request', text, { param: `${at}.content`, code: 'invalid_type' })
  }
  if (tool_calls && role !== 'assistant') return misplaced(`${at}.tool_calls`, 'assistant')
  if (role === 'tool' && isNothing(tool_call_id)) return missing('tool_call_id')
  if (role !== 'tool' && !isNothing(tool_call_id)) return misplaced(`${at}.tool_call_id`, 'tool')
  return null
}

const misplaced = (param: string, role: string): Problem =>
  refuse('invalid_request', `Invalid '${param}': only messages of role '${role}' have it.`, { param })

const uncalled = (index: number): Problem =>
  refuse(
    'invalid_request',
    `Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'.`,
    { param: `messages[${index}].role` },
  )

const unanswered = (ids: readonly string[], calledAt: number): Problem =>
  refuse(
    'invalid_request',
    `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${ids.join(', ')}`,
    { param: `messages[${calledAt}].tool_calls` },
  )
