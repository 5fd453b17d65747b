import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem, type ProblemCode } from '#protocol/problem.ts'
import { patiently } from './patience.ts'

for (const code of ['disk_full', 'disk_read_only', 'disk_failed'] as const)
  test(`${code} is said at once: waiting frees no disk`, async () => {
    const tried = setup(code, 1)
    await assert.rejects(tried.run(), { code })
    assert.equal(tried.asked(), 1)
  })

test('a network that is away is asked until it is back', async () => {
  const tried = setup('network_unreachable', 3)
  assert.equal(await tried.run(), 'here')
  assert.equal(tried.asked(), 4)
})

function setup(code: ProblemCode, failures: number) {
  let asked = 0
  const session = {
    context: { sleep: async () => undefined },
    signal: new AbortController().signal,
  }
  return {
    asked: () => asked,
    run: () =>
      patiently(session, async () => {
        if (asked++ < failures) throw new Problem(code, 'As the test wants it.')
        return 'here'
      }),
  }
}
