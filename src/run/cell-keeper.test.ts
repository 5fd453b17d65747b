import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChildHandlers, Children } from '#engines/child.ts'
import type { Clock } from '#host/host.ts'
import type { ProblemCode } from '#protocol/problem.ts'
import type { CellConfig } from './cell-config.ts'
import { keepCell } from './cell-keeper.ts'
import { listenLocally } from './listen-config.ts'

const codes: readonly ProblemCode[] = ['database_unreachable', 'lease_lost', 'internal']
for (const code of codes) {
  test(`a standby that fails with ${code} is started again, after a pause`, () => {
    const { begun, told, pass, fail } = setup()
    begun[0]?.onMessage({ type: 'standby', holder: 'there', apiUrl: null })
    pass(500) // The spare is prepared.
    fail(code)
    assert.deepEqual(told, ['stands by', `restarts: ${code}`])
    assert.equal(begun.length, 1, 'one that fails each time does not spin')
    pass(200)
    assert.equal(begun.length, 2)
    begun[1]?.onMessage(ready)
    assert.deepEqual(told.slice(2), ['ready'])
  })
}

test('a standby that dies without a word is replaced at once', () => {
  const { begun, pass, die } = setup()
  begun[0]?.onMessage({ type: 'standby', holder: 'there', apiUrl: null })
  pass(500)
  die()
  assert.equal(begun.length, 2)
})

test('what only a person can change ends it, at its first start and while it stands by', () => {
  for (const before of [[], [{ type: 'standby', holder: 'there', apiUrl: null }]]) {
    const { begun, told, fail } = setup()
    for (const message of before) begun[0]?.onMessage(message)
    fail('config_invalid')
    assert.deepEqual(told.slice(before.length), ['failed: config_invalid'])
  }
})

test('a first start that cannot reach its database ends with that message', () => {
  const { told, fail } = setup()
  fail('database_unreachable')
  assert.deepEqual(told, ['failed: database_unreachable'])
})

const ready = {
  type: 'ready',
  ...{ apiUrl: 'http://here', openaiBaseUrl: 'http://here/v1', publicUrl: 'http://here' },
  ...{ apiKey: null, operatorKey: null, port: 1, localPort: 1, holder: 'here' },
}

function setup() {
  /** Of the processes that were told to start, in that order. */
  const begun: ChildHandlers[] = []
  const told: string[] = []
  const timers: { atMs: number; run: () => void }[] = []
  let nowMs = 0
  const children: Children = {
    spawnChild: (_program, handlers) => ({
      pid: null,
      send: () => void begun.push(handlers),
      kill: () => undefined,
    }),
  }
  const clock: Clock = {
    nowMs: () => nowMs,
    elapsedMs: () => nowMs,
    after(delayMs, run) {
      timers.push({ atMs: nowMs + delayMs, run })
      return { cancel: () => undefined }
    },
  }
  keepCell({ children, clock, module: new URL('file:///cell.ts') }, config, {
    onReady: () => told.push('ready'),
    onStandby: () => told.push('stands by'),
    onToken: () => undefined,
    onRestart: (why) => told.push(`restarts: ${typeof why === 'string' ? why : why.code}`),
    onFailed: ({ code }) => told.push(`failed: ${code}`),
  })
  const die = (): void => begun.at(-1)?.onExit({ code: 1, signal: null, lastWords: '' })
  return {
    begun,
    told,
    die,
    pass(ms: number): void {
      nowMs += ms
      for (const timer of timers.splice(0)) {
        if (timer.atMs <= nowMs) timer.run()
        else timers.push(timer)
      }
    },
    fail(code: ProblemCode): void {
      begun.at(-1)?.onMessage({ type: 'failed', code, message: code })
      die()
    },
  }
}

const config: Omit<CellConfig, 'predecessor'> = {
  ...{ role: 'coordinator', databaseUrl: 'postgres://here', busUrl: null, secretsFolder: null },
  dataFolder: '/data',
  listen: listenLocally(0),
  ...{ networkName: 'test', feeBps: 0, testBalance: 0n, logLevel: 'warn' },
}
