import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { FollowReply } from './cell.ts'
import { ProofNews } from './hardware-proof.ts'
import { NanoUsd } from './money.ts'
import { quickReader } from './quick-reader.ts'
import { ReceiptsOrder } from './receipts.ts'

const Leaf = z.object({ kind: z.literal('leaf'), name: z.string().min(1).max(4), amount: NanoUsd })
interface Tree {
  kind: 'tree'
  parts: (Tree | z.output<typeof Leaf>)[]
}
const Tree: z.ZodType<Tree> = z.object({
  kind: z.literal('tree'),
  parts: z.array(z.lazy(() => z.union([Tree, Leaf]))).max(3),
})
/** Every kind of schema that is read quickly, and some that are left to zod. */
const Everything = z.object({
  count: z.int().min(-2).max(9),
  share: z.number().gt(0).lte(1).nullable(),
  word: z.string().regex(/^[a-c]+$/),
  flag: z.boolean().optional(),
  mode: z.enum(['a', 'b']).default('a'),
  amounts: z.record(z.string().max(3), NanoUsd),
  said: z.discriminatedUnion('kind', [Leaf, z.object({ kind: z.literal('none') })]),
  tree: z.union([Tree, z.null(), z.array(z.string())]),
  trimmed: z.string().trim().optional(),
  even: z
    .int()
    .refine((value) => value % 2 === 0)
    .optional(),
  strict: z.strictObject({ a: z.int() }).optional(),
})

/** What may stand in one place of it, right and wrong. */
const scrap = fc.constantFrom<unknown>(
  ...[
    null,
    true,
    0,
    1,
    2,
    -2,
    -3,
    9.5,
    10,
    2 ** 60,
    '',
    'a',
    'b',
    'abcab',
    ' b ',
    '12',
    '-7',
    '1x',
    '9'.repeat(31),
  ],
  ...[
    [],
    {},
    ['a'],
    [1],
    { a: 1 },
    { a: 1, b: 2 },
    { kind: 'none' },
    { kind: 'leaf' },
    { abcd: '1' },
    { a: '5' },
  ],
  ...[
    { kind: 'leaf', name: 'ab', amount: '3' },
    { amount: '3', name: 'ab', kind: 'leaf' },
  ],
  {
    kind: 'tree',
    parts: [
      { kind: 'leaf', name: 'x', amount: '-1' },
      { kind: 'tree', parts: [] },
    ],
  },
  { kind: 'tree', parts: [1, 2, 3, 4] },
)
const members = Object.keys(Everything.shape)
const good = {
  ...{ count: 1, share: 0.5, word: 'abc', flag: true, mode: 'b', amounts: { a: '5' } },
  ...{ said: { kind: 'none' }, tree: null, trimmed: ' x', even: 2, strict: { a: 1 } },
}
const almost = fc
  .record({
    changed: fc.array(fc.tuple(fc.constantFrom(...members, 'unknown', '__proto__', 'toString'), scrap), {
      maxLength: 2,
    }),
    absent: fc.subarray(members, { maxLength: 2 }),
    isReversed: fc.boolean(),
  })
  .map(({ changed, absent, isReversed }) => {
    const entries = Object.entries(good).filter(([name]) => !absent.includes(name))
    const all = new Map<string, unknown>([...(isReversed ? entries.reverse() : entries), ...changed])
    // As text, since that is how it comes: only so can a member be called `__proto__`.
    return JSON.parse(
      `{${[...all].map(([name, value]) => `"${name}":${JSON.stringify(value)}`).join()}}`,
    ) as unknown
  })

test('a quick reader takes what zod takes, and gives what zod gives, in the same order', () => {
  const reader = quickReader(Everything)
  let taken = 0
  const check = (json: unknown): void => {
    const before = structuredClone(json)
    const [quick, slow] = [reader.safeParse(json), Everything.safeParse(json)]
    assert.deepEqual(json, before, 'it changes nothing of what it is given')
    assert.equal(quick.success, slow.success)
    assert.deepEqual(quick.data, slow.data)
    assert.equal(written(quick.data), written(slow.data))
    assert.deepEqual(quick.error?.issues, slow.error?.issues)
    if (quick.success) taken++
  }
  fc.assert(fc.property(almost, check), { numRuns: 3_000 })
  fc.assert(fc.property(scrap, check))
  assert(taken > 300, `only ${taken} were good: the rest says nothing`)
})

test('parse throws what zod throws', () => {
  assert.throws(() => quickReader(Leaf).parse({ kind: 'leaf', name: '', amount: '1' }), z.ZodError)
})

test('what the program says of itself is read without zod', () => {
  const said: [z.ZodType, unknown][] = [
    [
      FollowReply,
      { epoch: 1, version: 2, nowMs: 3, isComplete: false, nodes: [], keys: [], wantsPresence: false },
    ],
    [ProofNews, { nodeId: 'n', session: 1, say: { kind: 'able', devices: [] }, gatewayId: 'g' }],
    [ReceiptsOrder, { kind: 'settled', chain: 'c'.repeat(43), number: 1 }],
  ]
  for (const [schema, json] of said) {
    const reader = quickReader(schema)
    const expected = schema.parse(json)
    // Any use of the schema itself fails from here on.
    const zods = { parse: schema.parse, safeParse: schema.safeParse }
    Object.assign(schema, { parse: asked, safeParse: asked })
    try {
      assert.deepEqual(reader.parse(json), expected)
    } finally {
      Object.assign(schema, zods)
    }
  }
})

const asked = (): never => assert.fail('zod was asked')

const written = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? `${one}n` : one))
