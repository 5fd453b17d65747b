import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChildHandlers, Children } from '#engines/child.ts'
import type { Clock } from '#host/host.ts'
import type { AgentKeeperOptions } from './agent-keeper.ts'
import type { CellConfig, CellOrder } from './cell-config.ts'
import { listenLocally } from './listen-config.ts'
import { referenceAgent } from './reference-agent.ts'
import { startSupervisor } from './supervisor.ts'

test('the cell is told whether an agent that checks can be begun, and when that one cannot go on', () => {
  const { cell, agent, start, notes } = setup()
  start(referenceAgent('/data', { render: 'auto', logLevel: 'warn' }))
  const [begun] = orders(cell)
  assert.equal(begun?.type === 'start' && begun.config.hasReference, true)
  cell.handlers?.onMessage(ready)
  cell.handlers?.onMessage({ type: 'auditors_wanted' })
  cell.handlers?.onMessage({ type: 'token', token: 'token', owner: 'reference' })
  assert(agent.handlers, 'it has begun')
  assert.deepEqual(typesSent(cell), ['start', 'token'])
  agent.handlers.onMessage({ type: 'failed', code: 'invalid_request', message: 'no disk' })
  agent.handlers.onExit({ code: 1, signal: null, lastWords: '' })
  assert.deepEqual(typesSent(cell), ['start', 'token', 'auditor_failed'])
  assert.deepEqual(notes, ['no disk'])
})

test('without such an agent nobody is told to wait for one', () => {
  const { cell, agent, start } = setup()
  start(referenceAgent('/data', { render: 'off', logLevel: 'warn' }))
  const [begun] = orders(cell)
  assert.equal(begun?.type === 'start' && begun.config.hasReference, false)
  cell.handlers?.onMessage(ready)
  cell.handlers?.onMessage({ type: 'auditors_wanted' })
  assert.equal(agent.handlers, null)
})

test('an agent that a signal ended while the network stops is not started again', () => {
  const { cell, agent, start, notes } = setup()
  const supervisor = start(referenceAgent('/data', { render: 'auto', logLevel: 'warn' }))
  cell.handlers?.onMessage(ready)
  cell.handlers?.onMessage({ type: 'token', token: 'token', owner: 'reference' })
  assert(agent.handlers, 'it has begun')
  void supervisor.stop()
  agent.handlers.onExit({ code: 0, signal: null, lastWords: '' })
  assert.deepEqual(notes, [])
})

const ready = {
  type: 'ready',
  ...{ apiUrl: 'http://here', openaiBaseUrl: 'http://here/v1', publicUrl: 'http://here' },
  ...{ apiKey: null, operatorKey: null, port: 1, localPort: 1, holder: 'here' },
}

interface FakeChild {
  handlers: ChildHandlers | null
  readonly sent: unknown[]
}

const orders = ({ sent }: FakeChild): CellOrder[] => sent as CellOrder[] // What the supervisor sends to a cell.
const typesSent = (child: FakeChild): string[] => orders(child).map(({ type }) => type)

function setup() {
  const cell: FakeChild = { handlers: null, sent: [] }
  const agent: FakeChild = { handlers: null, sent: [] }
  const notes: string[] = []
  const modules = { cell: new URL('file:///cell.ts'), agent: new URL('file:///agent.ts') }
  const children: Children = {
    spawnChild({ module }, handlers) {
      const child = module === modules.cell ? cell : agent
      child.handlers ??= handlers
      return { pid: null, send: (message) => void child.sent.push(message), kill: () => undefined }
    },
  }
  const clock: Clock = { nowMs: () => 0, elapsedMs: () => 0, after: () => ({ cancel: () => undefined }) }
  const start = (reference: AgentKeeperOptions | null) =>
    startSupervisor(
      { children, clock, modules },
      { cell: config, agent: null, reference },
      {
        onReady: () => undefined,
        onStandby: () => undefined,
        onServing: () => undefined,
        onAgentState: () => undefined,
        onAgentNote: () => undefined,
        onReferenceNote: (text) => notes.push(text),
        onRestart: () => undefined,
        onFailed: (problem) => assert.fail(problem),
      },
    )
  return { cell, agent, start, notes }
}

const config: Omit<CellConfig, 'predecessor'> = {
  ...{ role: 'cell', databaseUrl: null, busUrl: null, secretsFolder: null },
  dataFolder: '/data',
  listen: listenLocally(0),
  ...{ networkName: 'test', feeBps: 0, testBalance: 0n, logLevel: 'warn' },
}
