import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { createFrontGuard } from './front-guard.ts'

const OURS = '127.0.0.1:7420'
const APP = 'https://app.example'

test('a call of /v1 is judged by its host and by the page that it came from', () => {
  const rows: [Record<string, string>, 'served' | 'shared' | 'refused'][] = [
    [{ host: OURS }, 'served'],
    [{}, 'served'],
    [{ host: 'gpu.example' }, 'served'],
    [{ host: 'evil.example' }, 'refused'],
    [{ host: '' }, 'refused'],
    [{ host: OURS, origin: `http://${OURS}`, 'sec-fetch-site': 'same-origin' }, 'served'],
    [{ host: OURS, 'sec-fetch-site': 'none' }, 'served'],
    [{ host: OURS, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }, 'refused'],
    [{ host: OURS, origin: 'null' }, 'refused'],
    [{ host: OURS, origin: '' }, 'refused'],
    [{ host: OURS, 'sec-fetch-site': 'cross-site' }, 'refused'],
    [{ host: OURS, 'sec-fetch-site': 'same-site' }, 'refused'],
    [{ host: OURS, origin: APP, 'sec-fetch-site': 'cross-site' }, 'shared'],
    [{ host: 'evil.example', origin: APP }, 'refused'],
  ]
  const { guard } = setup()
  for (const [headers, expected] of rows)
    assert.equal(judged(guard, headers), expected, JSON.stringify(headers))
})

test('any page may be let in, and an agent is never one of them', () => {
  const { guard } = setup({ pageOrigins: ['*'] })
  assert.equal(judged(guard, { host: OURS, origin: 'https://any.example' }), 'shared')
  const { guard: strict } = setup()
  assert.equal(strict.refuseLink({ host: OURS }), null)
  assert.ok(strict.refuseLink({ host: OURS, origin: APP }) instanceof Problem)
  assert.ok(strict.refuseLink({ host: 'evil.example' }) instanceof Problem)
})

test('a name that the network goes by from now on is taken, and strange hosts do not have the names read each time', () => {
  const { guard, clock, world } = setup()
  assert.equal(judged(guard, { host: 'new.example' }), 'refused')
  world.hostnames.push('new.example')
  assert.equal(judged(guard, { host: 'new.example' }), 'refused')
  assert.equal(world.reads, 1)
  clock.nowMs += 1_001
  assert.equal(judged(guard, { host: 'new.example' }), 'served')
  clock.nowMs += 1_001
  for (let call = 0; call < 100; call++) judged(guard, { host: 'new.example' })
  assert.equal(world.reads, 2)
})

function judged(guard: ReturnType<typeof createFrontGuard>, headers: Record<string, string>) {
  const answer = guard.judgeCall(headers)
  if (answer === null) return 'served'
  if (answer instanceof Problem) {
    assert.equal(answer.code, 'forbidden_origin')
    return 'refused'
  }
  assert.equal(answer, headers['origin'])
  return 'shared'
}

function setup({ pageOrigins = [APP] }: { pageOrigins?: string[] } = {}) {
  const clock = { nowMs: 0, elapsedMs: () => clock.nowMs }
  const world = { hostnames: ['gpu.example'], reads: 0 }
  const names = () => {
    world.reads++
    return { hostnames: [...world.hostnames], origins: ['https://gpu.example'] }
  }
  return { clock, world, guard: createFrontGuard(clock, { names, pageOrigins }) }
}
