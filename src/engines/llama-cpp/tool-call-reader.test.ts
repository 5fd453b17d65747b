import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DeltaDetail } from '#protocol/delta-detail.ts'
import { ToolCallReader } from './tool-call-reader.ts'

const call = (json: string): string => `<tool_call>\n${json}\n</tool_call>`
const weather = call('{"name": "weather", "arguments": {"city": "Oslo \\"N\\" }", "days": [1, {}]}}')

const rows: readonly (readonly [
  name: string,
  answer: string,
  text: string,
  calls: readonly (readonly [string, string])[],
])[] = [
  ['plain text', 'Hello <b>you</b>', 'Hello <b>you</b>', []],
  ['a call', weather, '', [['weather', '{"city": "Oslo \\"N\\" }", "days": [1, {}]}']]],
  [
    'text and a call',
    `Let me see.\n${weather}`,
    'Let me see.\n',
    [['weather', '{"city": "Oslo \\"N\\" }", "days": [1, {}]}']],
  ],
  [
    'two calls',
    `${weather}\n${call('{"name":"time","arguments":{}}')}\n`,
    '',
    [
      ['weather', '{"city": "Oslo \\"N\\" }", "days": [1, {}]}'],
      ['time', '{}'],
    ],
  ],
  [
    '`parameters` as some models say',
    call('{"name": "time", "parameters": {"a": 1}}'),
    '',
    [['time', '{"a": 1}']],
  ],
  ['members in another order', call('{"arguments": {"a": 1}, "name": "time"}'), '', [['time', '{"a":1}']]],
  ['arguments in a string', call('{"name": "time", "arguments": "{\\"a\\":1}"}'), '', [['time', '{"a":1}']]],
  ['no arguments', call('{"name": "time"}'), '', [['time', '{}']]],
  [
    'an end mark inside of an argument',
    call('{"name": "time", "arguments": {"a": "</tool_call>"}}'),
    '',
    [['time', '{"a": "</tool_call>"}']],
  ],
  ['an unknown name', call('{"name": "rm", "arguments": {}}'), call('{"name": "rm", "arguments": {}}'), []],
  ['what is no JSON', call('call the weather!'), call('call the weather!'), []],
  ['a mark that is not finished', 'a <tool_cal', 'a <tool_cal', []],
  ['a call that is cut', '<tool_call>\n{"name": "time", "arguments": {"a": [1', '', [['time', '{"a": [1']]],
  ['a beginning that is cut', '<tool_call>\n{"name": "ti', '<tool_call>\n{"name": "ti', []],
  ['text behind a call', `${call('{"name":"time","arguments":{}}')}\nDone.`, 'Done.', [['time', '{}']]],
]

for (const [name, answer, text, calls] of rows) {
  test(`${name} is read alike however it is cut`, () => {
    for (const size of [1, 2, 3, 7, 1_000]) {
      const reader = new ToolCallReader(['weather', 'time'])
      const pieces = []
      for (let at = 0; at < answer.length; at += size) pieces.push(reader.push(answer.slice(at, at + size)))
      pieces.push(reader.end())
      const found: [string, string][] = []
      for (const { index, name: called, arguments: more = '' } of pieces.flatMap(
        ({ toolCalls }) => toolCalls,
      )) {
        const known = found[index]
        if (known) known[1] += more
        else found[index] = [called ?? assert.fail('a call begins with its name'), more]
      }
      assert.deepEqual([pieces.map((piece) => piece.text).join(''), found], [text, calls], `by ${size}`)
    }
  })
}

test('with one call at most, a second one stays text', () => {
  const reader = new ToolCallReader(['time'], 1)
  const both = call('{"name":"time","arguments":{}}').repeat(2)
  const { text, toolCalls } = reader.push(both)
  assert.equal(toolCalls.filter(({ name }) => name !== undefined).length, 1)
  assert.equal(text, call('{"name":"time","arguments":{}}'))
})

test('behind the last call that an answer may have, calls stay text', () => {
  const reader = new ToolCallReader(['time'])
  const one = call('{"name":"time","arguments":{}}')
  const { text, toolCalls } = reader.push(one.repeat(130))
  const detail = DeltaDetail.parse({ toolCalls })
  assert.equal(detail.toolCalls?.filter(({ name }) => name !== undefined).length, 128)
  assert.equal(text, one.repeat(2))
})
