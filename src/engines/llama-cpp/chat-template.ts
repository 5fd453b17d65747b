/**
 * Renders a conversation by the model's own Jinja template, exactly as the model was trained to see it. Text of a
 * message that spells a control token (`<|im_end|>`) must not become one, or a quoted text could speak as the system:
 * such messages are rendered as a placeholder and cut back in as plain text.
 */
import { Template } from '@huggingface/jinja'
import { Problem } from '#protocol/problem.ts'

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

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

/** Throws an `Error` when the template itself cannot be read. */
export function createChatTemplate(options: ChatTemplateOptions) {
  const template = new Template(options.source)
  const render = (messages: readonly ChatMessage[]): string =>
    template.render({
      messages: messages.map(({ role, content }) => ({ role, content })),
      add_generation_prompt: true,
      bos_token: options.bosText,
      eos_token: options.eosText,
    })

  /**
   * The prompt up to where the model speaks. A last message of the assistant follows as plain text, to be continued.
   * Throws `Problem('invalid_request')` when the template refuses the conversation.
   */
  return (messages: readonly ChatMessage[]): readonly PromptPart[] => {
    const last = messages.at(-1)
    const isContinued = last?.role === 'assistant'
    const answered = isContinued ? messages.slice(0, -1) : messages
    const safe = answered.map((message, index) =>
      options.spellsControlTokens(message.content) || PLACEHOLDER.test(message.content)
        ? { role: message.role, content: `\uE000${index}\uE001` }
        : message,
    )
    const parts = splitAtPlaceholders(renderOrExplain(render, safe), answered)
    return isContinued ? [...parts, { text: last.content, isTrusted: false }] : parts
  }
}

/** Some templates know no system role: there the system's words go before the first user's. */
function renderOrExplain(
  render: (messages: readonly ChatMessage[]) => string,
  messages: readonly ChatMessage[],
): string {
  try {
    return render(messages)
  } catch (error) {
    const [first, second, ...rest] = messages
    if (first?.role === 'system' && second?.role === 'user') {
      return renderOrExplain(render, [
        { role: 'user', content: `${first.content}\n\n${second.content}` },
        ...rest,
      ])
    }
    throw refusal(error)
  }
}

function refusal(cause: unknown): Problem {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const message = `The model's chat template refuses these messages: ${reason}. Change their roles or order.`
  return new Problem('invalid_request', message, { cause, details: { param: 'messages' } })
}

function splitAtPlaceholders(rendered: string, messages: readonly ChatMessage[]): readonly PromptPart[] {
  // Splitting by a pattern with one group alternates: text, number, text, number, ..., text.
  return rendered
    .split(PLACEHOLDER)
    .map((text, at) =>
      at % 2 === 0
        ? { text, isTrusted: true }
        : { text: messages[Number(text)]?.content ?? '', isTrusted: false },
    )
    .filter(({ text }) => text !== '')
}
