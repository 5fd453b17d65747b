/** Grammars against llama.cpp's own parser: what each lets through, and what it does not. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { getLlama, LlamaLogLevel } from 'node-llama-cpp'
import { Problem } from '#protocol/problem.ts'
import { GrammarRules } from './grammar-rules.ts'
import { schemaRule } from './json-schema-grammar.ts'
import type { Schema } from './schema-place.ts'

const llama = await getLlama({
  gpu: false,
  build: 'never',
  skipDownload: true,
  logLevel: LlamaLogLevel.disabled,
})
after(() => llama.dispose())

const person = {
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'integer', minimum: 0, maximum: 150 } },
  required: ['name', 'age'],
  additionalProperties: false,
}
const tree = {
  type: 'object',
  properties: { value: { type: 'number' }, children: { type: 'array', items: { $ref: '#' } } },
  required: ['value', 'children'],
}

const rows: readonly (readonly [
  name: string,
  schema: Schema,
  valid: readonly unknown[],
  invalid: readonly unknown[],
])[] = [
  [
    'an object',
    person,
    [{ name: 'Ann "x"\n', age: 7 }],
    [{ age: 7, name: 'Ann' }, { name: 'Ann' }, { name: 'A', age: 7, b: 1 }, [], 'x'],
  ],
  [
    'members that may be missing',
    {
      type: 'object',
      properties: { a: { type: 'null' }, b: { type: 'boolean' }, c: { type: 'null' } },
      required: ['b'],
    },
    [{ b: true }, { a: null, b: true }, { a: null, b: false, c: null }, { b: true, c: null }],
    [{}, { a: null }, { b: true, a: null }, { a: null, c: null }],
  ],
  ['no member at all', { type: 'object', properties: { a: { const: 1 } } }, [{}, { a: 1 }], [{ a: 2 }]],
  ['an open object', { type: 'object' }, [{}, { a: [1, { b: null }] }, { é: 'ü', b: -1.5e3 }], [[], 1]],
  ['a closed one', { type: 'object', additionalProperties: false }, [{}], [{ a: 1 }]],
  [
    'other members of one kind, never under the name of a known one',
    {
      type: 'object',
      properties: { ab: { type: 'boolean' } },
      required: ['ab'],
      additionalProperties: { type: 'integer' },
    },
    [{ ab: true }, { ab: true, a: 1 }, { ab: false, abc: 2, '': 3 }],
    [{ ab: 1 }, { ab: true, x: 'y' }],
  ],
  [
    'a map',
    { type: 'object', additionalProperties: { type: 'integer' }, minProperties: 1, maxProperties: 2 },
    [{ a: 1 }, { a: 1, b: 2 }],
    [{}, { a: 'x' }, { a: 1, b: 2, c: 3 }],
  ],
  [
    'an array',
    { type: 'array', items: { type: 'boolean' }, minItems: 1, maxItems: 3 },
    [[true], [true, false, true]],
    [[], [1], [true, true, true, true]],
  ],
  ['an empty array', { type: 'array', maxItems: 0 }, [[]], [[1]]],
  [
    'a tuple',
    { type: 'array', prefixItems: [{ const: 'a' }, { type: 'number' }], items: false },
    [['a', 1.5]],
    [['a'], ['b', 1], ['a', 1, 2]],
  ],
  ['an enum', { enum: ['a', 1, null, { b: [] }] }, ['a', 1, null], ['b', 2]],
  ['several types', { type: ['string', 'null'], maxLength: 2 }, ['', 'ab', null], ['abc', 1]],
  ['either', { anyOf: [person, { type: 'null' }] }, [{ name: '', age: 0 }, null], [{}, 1]],
  [
    'a part of either',
    {
      type: 'object',
      properties: { a: { const: 1 } },
      required: ['a'],
      oneOf: [
        { properties: { b: { const: 2 } }, required: ['b'] },
        { properties: { c: { const: 3 } }, required: ['c'] },
      ],
    },
    [
      { a: 1, b: 2 },
      { a: 1, c: 3 },
    ],
    [{ a: 1 }],
  ],
  [
    'both',
    {
      allOf: [{ $ref: '#/$defs/a' }, { properties: { b: { const: 2 } }, required: ['b'] }],
      $defs: { a: { type: 'object', properties: { a: { const: 1 } }, required: ['a'] } },
    },
    [{ a: 1, b: 2 }],
    [{ a: 1 }, { b: 2 }],
  ],
  ['itself', tree, [{ value: 1, children: [{ value: -2.5, children: [] }] }], [{ value: 1, children: [1] }]],
  [
    'a definition',
    {
      $defs: { 'a/b': { type: 'boolean' } },
      type: 'array',
      items: { $ref: '#/$defs/a~1b', description: 'x' },
    },
    [[true]],
    [[1]],
  ],
  ['a length', { type: 'string', minLength: 2, maxLength: 3 }, ['ab', 'a"c', 'üüü'], ['a', 'abcd']],
  ['integers', { type: 'integer' }, [0, -5, 123456], [1.5, '1']],
  ['numbers', { type: 'number' }, [0, -5.25, 1e21], ['1', null]],
  ['an open range', { type: 'integer', minimum: 37 }, [37, 99, 100, 1234567], [0, 36, -40]],
  [
    'a range',
    { type: 'integer', minimum: 9, maximum: 1203 },
    [9, 10, 99, 100, 999, 1000, 1199, 1200, 1203],
    [0, 8, 1204, 1210, 1300, 2000, -9],
  ],
  [
    'a range about zero',
    { type: 'integer', exclusiveMinimum: -12, maximum: 3 },
    [-11, -10, -1, 0, 3],
    [-12, 4, -100],
  ],
  ['a range below zero', { type: 'integer', minimum: -20, maximum: -7 }, [-20, -7, -13], [-21, -6, 0, 7]],
  ['a range of decimals', { type: 'number', minimum: 0, maximum: 1 }, [0, 0.5, 1, 0.999], [1.5, -0.5, 2]],
  [
    'a time',
    { type: 'string', format: 'date-time' },
    ['2026-01-28T23:59:59.123Z', '1999-12-01T00:00:00+02:00'],
    ['2026-13-01T00:00:00Z', 'x'],
  ],
  ['an id', { format: 'uuid' }, ['123e4567-e89b-42d3-a456-426614174000'], ['123e4567', 1]],
  ['no type', { description: 'anything' }, [1, 'a', null, true, [1], { a: {} }], []],
]

for (const [name, schema, valid, invalid] of rows) {
  test(`a grammar of ${name} lets through what is valid and nothing else`, async () => {
    const test = await matcher(schema)
    for (const value of valid) {
      for (const text of [JSON.stringify(value), JSON.stringify(value, null, 2)])
        assert.ok(test(text), `${text} is valid`)
    }
    for (const value of invalid)
      assert.ok(!test(JSON.stringify(value)), `${JSON.stringify(value)} is not valid`)
    assert.ok(!test('{"'))
  })
}

const refused: readonly (readonly [schema: Schema, param: string])[] = [
  [{ type: 'object', properties: { a: { type: 'string', pattern: '^a$' } } }, 'schema.properties.a.pattern'],
  [{ not: { type: 'null' } }, 'schema.not'],
  [{ type: 'array', items: { type: 'number' }, uniqueItems: true }, 'schema.uniqueItems'],
  [{ type: 'number', multipleOf: 5 }, 'schema.multipleOf'],
  [{ type: 'number', minimum: 0.5 }, 'schema.minimum'],
  [{ type: 'string', maxLength: 100_000 }, 'schema.maxLength'],
  [{ type: 'string', format: 'iri' }, 'schema.format'],
  [{ type: 'strange' }, 'schema.type'],
  [{ $ref: '#/$defs/none' }, 'schema.$ref'],
  [{ $ref: 'https://example.com/schema' }, 'schema.$ref'],
  [{ type: 'object', patternProperties: { a: {} } }, 'schema.patternProperties'],
  [{ type: 'array', minItems: 3, maxItems: 2 }, 'schema.maxItems'],
  [{ type: 'object', properties: { a: false } }, 'schema.properties.a'],
  [{ allOf: [{ type: 'string' }, { type: 'number' }] }, 'schema.allOf[1]'],
  [{ if: {}, type: 'object' }, 'schema.if'],
]

for (const [schema, param] of refused) {
  test(`${JSON.stringify(schema).slice(0, 60)} is refused, and ${param} named`, () => {
    assert.throws(
      () => ruleOf(schema),
      (error) => {
        assert.ok(error instanceof Problem)
        assert.deepEqual([error.code, error.details['param']], ['invalid_request', param])
        return true
      },
    )
  })
}

test('a schema whose grammar would hold up all other answers is refused', () => {
  const members = (count: number, schema: Schema) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, schema]))
  const names = Object.keys(members(100, {}))
  for (const schema of [
    { type: 'object', properties: members(201, { type: 'boolean' }) },
    { type: 'object', properties: members(100, { type: 'string', maxLength: 999 }), required: names },
    { type: 'array', items: members(5_000, {}), prefixItems: Array(21_000).fill({ type: 'null' }) },
  ]) {
    assert.throws(() => ruleOf(schema), Problem)
  }
})

test('a schema that is nothing but itself ends as a problem, not as an endless search', () => {
  for (const schema of [
    { anyOf: [{ $ref: '#' }], type: 'object', properties: { a: {} } },
    { $ref: '#', nullable: true },
    { allOf: [{ $ref: '#' }] },
  ]) {
    assert.throws(() => ruleOf(schema), Problem)
  }
})

test('a few lines that ask for any amount of work are refused', () => {
  const levels = 40
  const doubled = (level: (below: { $ref: string }) => Schema): Schema => ({
    $ref: `#/$defs/a${levels}`,
    $defs: Object.fromEntries(
      Array.from({ length: levels + 1 }, (_, at) => [
        `a${at}`,
        at === 0 ? { type: 'object' } : level({ $ref: `#/$defs/a${at - 1}` }),
      ]),
    ),
  })
  const names = Array.from({ length: 4_000 }, (_, at) => `p${at}`)
  const properties = Object.fromEntries(names.map((name) => [name, { type: 'null' }]))
  const long = { $ref: '#/$defs/long', nullable: true }
  for (const schema of [
    doubled((below) => ({ allOf: [below, below] })),
    doubled((below) => ({
      anyOf: [
        { ...below, nullable: true },
        { ...below, nullable: true },
      ],
    })),
    { allOf: Array(4_000).fill({ $ref: '#/$defs/long' }), $defs: { long: { properties } } },
    { anyOf: Array(4_000).fill(long), $defs: { long: { const: 'x'.repeat(40_000) } } },
  ]) {
    assert.throws(() => ruleOf(schema), /more than 200000 steps/)
  }
})

test('a schema that is deeper, or has a longer name, than can be written is refused', () => {
  const count = 3_000
  const chain = Array.from({ length: count }, (_, at) => [
    `a${at}`,
    at === 0 ? { type: 'null' } : { type: 'array', items: { $ref: `#/$defs/a${at - 1}` } },
  ])
  for (const schema of [
    { $ref: `#/$defs/a${count - 1}`, $defs: Object.fromEntries(chain) },
    { type: 'object', properties: { ['x'.repeat(100_000)]: {} }, additionalProperties: { type: 'null' } },
  ]) {
    assert.throws(() => ruleOf(schema), Problem)
  }
  const most = { type: 'object', properties: { ['x'.repeat(1_000)]: {} }, additionalProperties: {} }
  assert.match(ruleOf(most), /except/)
  const $defs = Object.fromEntries(chain)
  assert.match(ruleOf({ $ref: '#/$defs/a240', $defs }), /item/)
  // A grammar that goes on without a schema that was refused has its levels again.
  const rules = new GrammarRules()
  const write = (name: string) => {
    const root = { $ref: `#/$defs/${name}`, $defs }
    return schemaRule(root, { rules, root, path: 'schema', scope: name })
  }
  assert.throws(() => write('a2999'), Problem)
  assert.match(write('a240'), /shared/)
})

test('as many properties as a schema may have are written', () => {
  const named = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`property${at}`, { type: 'string' }]))
  const part = (at: number): Schema => {
    const properties = named(50)
    return { type: 'object', properties: { [`part${at}`]: { type: 'number' }, ...properties } }
  }
  const parts = Object.fromEntries(
    Array.from({ length: 96 }, (_, at) => [
      `p${at}`,
      { ...part(at), required: Object.keys(named(50)), allOf: [{ $ref: '#/$defs/base' }] },
    ]),
  )
  const base = { properties: { id: { type: 'integer' } }, required: ['id'] }
  const schema = { type: 'object', properties: parts, required: Object.keys(parts), $defs: { base } }
  assert.match(ruleOf(schema), /root ::=/)
})

function ruleOf(schema: Schema): string {
  const rules = new GrammarRules()
  return rules.write(schemaRule(schema, { rules, root: schema, path: 'schema' }))
}

async function matcher(schema: Schema): Promise<(text: string) => boolean> {
  const grammar = await llama.createGrammar({ grammar: ruleOf(schema) })
  const { _testText } = grammar as unknown as { _testText(text: string): boolean }
  return (text) => _testText.call(grammar, text)
}
