/**
 * Renders a conversation by the model's own Jinja template, exactly as the model was trained to see it. Text of a
 * caller that spells a control token (`<|im_end|>`) must not become one, or a quoted text could speak as the system:
 * such texts are rendered as a placeholder and cut back in as plain text.
 */
import { Template } from '@huggingface/jinja'
import type { EngineMessage, EngineTool } from '#protocol/engine-request.ts'
import { Problem } from '#protocol/problem.ts'
import { CALL_BEGIN, inPlainText, toTemplateTool } from './tool-format.ts'

/** A part of a prompt. Control tokens are recognised in `isTrusted` text alone. */
export interface PromptPart {
  readonly text: string
  readonly isTrusted: boolean
}

export interface ChatTemplateOptions {
  readonly source: string
  readonly bosText: string
  readonly eosText: string
  /** Whether `text` would be read as control tokens. */
  readonly spellsControlTokens: (text: string) => boolean
}

const PLACEHOLDER = /\uE000(\d+)\uE001/

/** What a template is rendered with. */
interface Conversation {
  readonly messages: readonly Readonly<Record<string, unknown>>[]
  readonly tools: readonly unknown[]
}

/** Throws an `Error` when the template itself cannot be read. */
export function createChatTemplate(options: ChatTemplateOptions) {
  const template = new Template(options.source)
  // Others write calls in ways of their own, which this engine does not read: there they are told in words.
  const knowsTools = /\btools\b/.test(options.source) && options.source.includes(CALL_BEGIN)
  const render = ({ messages, tools }: Conversation): string =>
    template.render({
      messages,
      ...(tools.length > 0 && { tools }),
      add_generation_prompt: true,
      bos_token: options.bosText,
      eos_token: options.eosText,
    })

  /**
   * The prompt up to where the model speaks. A last message of the assistant follows as plain text, to be continued.
   * Throws `Problem('invalid_request')` when the template refuses the conversation.
   */
  return (messages: readonly EngineMessage[], tools: readonly EngineTool[] = []): readonly PromptPart[] => {
    const last = messages.at(-1)
    const isContinued = last?.role === 'assistant' && !last.toolCalls
    const answered = isContinued ? messages.slice(0, -1) : messages
    const guard = new TextGuard(options.spellsControlTokens)
    const safe = knowsTools
      ? {
          messages: answered.map((message) => nativeMessage(message, guard)),
          tools: tools.map((tool) => guard.json(toTemplateTool(tool))) as readonly unknown[],
        }
      : {
          messages: inPlainText(answered, tools).map(({ role, content }) => ({
            role,
            content: guard.text(content),
          })),
          tools: [],
        }
    const parts = guard.cutIn(renderOrExplain(render, safe))
    return isContinued ? [...parts, { text: last.content, isTrusted: false }] : parts
  }
}

/** A message as templates with tools take it. */
function nativeMessage(message: EngineMessage, guard: TextGuard): Readonly<Record<string, unknown>> {
  const { role, content, toolCalls, toolCallId } = message
  return {
    role,
    content: guard.text(content),
    ...(toolCallId !== undefined && { tool_call_id: toolCallId }),
    ...(toolCalls && {
      tool_calls: toolCalls.map((call) => ({
        id: call.id,
        type: 'function',
        function: { name: guard.text(call.name), arguments: guard.json(parsed(call.arguments)) },
      })),
    }),
  }
}

/** The model wrote it, so that it need not be JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Puts placeholders for texts that would be read as control tokens, and the texts back in their places. */
class TextGuard {
  readonly #spellsControlTokens: (text: string) => boolean
  readonly #texts: string[] = []

  constructor(spellsControlTokens: (text: string) => boolean) {
    this.#spellsControlTokens = spellsControlTokens
  }

  text(text: string): string {
    return this.#isSafe(text) ? text : this.#placeholder(text)
  }

  /** The same value with every text in it safe; the template writes it as JSON. */
  json(value: unknown): unknown {
    if (typeof value === 'string') {
      return this.#isSafe(value) ? value : this.#placeholder(JSON.stringify(value).slice(1, -1))
    }
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) return value.map((item) => this.json(item))
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [this.json(key), this.json(member)]),
    )
  }

  cutIn(rendered: string): readonly PromptPart[] {
    // Splitting by a pattern with one group alternates: text, number, text, number, ..., text.
    return rendered
      .split(PLACEHOLDER)
      .map((text, at) =>
        at % 2 === 0
          ? { text, isTrusted: true }
          : { text: this.#texts[Number(text)] ?? '', isTrusted: false },
      )
      .filter(({ text }) => text !== '')
  }

  #isSafe(text: string): boolean {
    return !this.#spellsControlTokens(text) && !PLACEHOLDER.test(text)
  }

  #placeholder(text: string): string {
    return `\uE000${this.#texts.push(text) - 1}\uE001`
  }
}

/** Some templates know no system role: there the system's words go before the first user's. */
function renderOrExplain(
  render: (conversation: Conversation) => string,
  { messages, tools }: Conversation,
): string {
  try {
    return render({ messages, tools })
  } catch (error) {
    const [first, second, ...rest] = messages
    if (first?.['role'] === 'system' && second?.['role'] === 'user') {
      const content = `${String(first['content'])}\n\n${String(second['content'])}`
      return renderOrExplain(render, { messages: [{ role: 'user', content }, ...rest], tools })
    }
    throw refusal(error)
  }
}

function refusal(cause: unknown): Problem {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const message = `The model's chat template refuses these messages: ${reason}. Change their roles or order.`
  return new Problem('invalid_request', message, { cause, details: { param: 'messages' } })
}
