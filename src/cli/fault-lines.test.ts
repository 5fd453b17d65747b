import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultLines } from './fault-lines.ts'
import { createStubTerminal } from './stub-context.ts'

test('ten faults are shown, and how many more there are', () => {
  const faults = (count: number) => Array.from({ length: count }, (_, index) => `fault ${index + 1}`)
  assert.deepEqual(faultLines([]), [])
  assert.deepEqual(faultLines(faults(11)), faults(11), 'one more takes no more room than to say so')
  assert.deepEqual(faultLines(faults(12)), [...faults(10), '... and 2 more (--json has all).'])
  assert.equal(faultLines(faults(1_234)).at(-1), '... and 1,224 more (--json has all).')
})

const WRONG = '# A file\n\nof something else\n'.repeat(60)
const commands = [
  ['verify', 'file of receipts', 'shoal receipts export'],
  ['audit verify', 'audit log', 'shoal audit export'],
  ['sla recompute', 'bundle of evidence', 'shoal sla bundle'],
] as const

for (const [command, expected, writer] of commands) {
  test(`shoal ${command} says in one sentence that a file is another one`, async () => {
    const { run } = setup(WRONG)
    const { exitCode, out, err } = await run(...command.split(' '), 'README.md')
    const sentence = `No line of README.md could be read: it is no ${expected}. Give a file that \`${writer}\` wrote.\n`
    assert.deepEqual({ exitCode, out, err }, { exitCode: 1, out: sentence, err: '' })
  })

  test(`shoal ${command} --json has all faults of a wrong file`, async () => {
    const { run } = setup(WRONG)
    const { exitCode, out } = await run(...command.split(' '), 'README.md', '--json')
    const { faults } = JSON.parse(out) as { faults: readonly unknown[] }
    assert.equal(exitCode, 1)
    assert.ok(faults.length >= 120, String(faults.length))
  })

  test(`shoal ${command} finds an empty file not whole`, async () => {
    const { exitCode, out } = await setup('').run(...command.split(' '), 'README.md')
    assert.equal(exitCode, 1)
    assert.match(out, /[Tt]he (?:file is empty|bundle ends without a seal)/)
  })
}

const setup = (text: string) =>
  createStubTerminal({
    fetch: async () => assert.fail('a file is checked without the network'),
    files: { 'README.md': text },
  })
