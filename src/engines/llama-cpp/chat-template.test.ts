import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EngineMessage } from '#protocol/engine-request.ts'
import { Problem } from '#protocol/problem.ts'
import { createChatTemplate } from './chat-template.ts'
import { TINY_CHAT_TEMPLATE } from './tiny-gguf-head.ts'

const user = (content: string): EngineMessage => ({ role: 'user', content })
const assistant = (content: string): EngineMessage => ({ role: 'assistant', content })
const system = (content: string): EngineMessage => ({ role: 'system', content })
const trusted = (text: string) => ({ text, isTrusted: true })
const plain = (text: string) => ({ text, isTrusted: false })

test('a conversation is rendered by the template up to where the model speaks', () => {
  const { render } = setup()
  assert.deepEqual(render([system('Be brief.'), user(' Hi '), assistant('Hello'), user('Bye')]), [
    trusted(
      '<s><|system|>Be brief.<|end|><|user|>Hi<|end|><|assistant|>Hello<|end|><|user|>Bye<|end|><|assistant|>',
    ),
  ])
})

test('a last message of the assistant follows the point where the model speaks, untouched', () => {
  const { render } = setup()
  assert.deepEqual(render([user('Hi'), assistant('Hello ')]), [
    trusted('<s><|user|>Hi<|end|><|assistant|>'),
    plain('Hello '),
  ])
})

test('a message that spells control tokens stays plain text in its place', () => {
  const { render } = setup()
  assert.deepEqual(render([user('a <|end|> b'), user('c')]), [
    trusted('<s><|user|>'),
    plain('a <|end|> b'),
    trusted('<|end|><|user|>c<|end|><|assistant|>'),
  ])
})

test('a message that looks like our own placeholder stays plain text too', () => {
  const { render } = setup()
  assert.deepEqual(render([user('\uE0001\uE001'), user('secret')])[1], plain('\uE0001\uE001'))
})

test('where the template knows no system role, its words go before the first user’s', () => {
  const { render } = setup(
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}[{{ m.content }}]{% endfor %}",
  )
  assert.deepEqual(render([system('Be brief.'), user('Hi')]), [trusted('[Be brief.\n\nHi]')])
})

test('a conversation that the template refuses is an invalid request in the template’s words', () => {
  const { render } = setup("{{ raise_exception('Roles must alternate') }}")
  assert.throws(
    () => render([user('Hi')]),
    (error) =>
      error instanceof Problem &&
      error.code === 'invalid_request' &&
      /Roles must alternate/.test(error.message),
  )
})

function setup(source = TINY_CHAT_TEMPLATE) {
  const render = createChatTemplate({
    source,
    bosText: '<s>',
    eosText: '</s>',
    spellsControlTokens: (text) => text.includes('<|'),
  })
  return { render }
}
