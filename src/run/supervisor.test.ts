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

test('a node that the network does not let in is lost, and the network is not', () => {
  const { cell, agent, start, lost, failed } = setup()
  start(null, localAgent)
  cell.handlers?.onMessage(ready)
  agent.handlers?.onMessage({ type: 'failed', code: 'join_refused', message: 'banned' })
  agent.handlers?.onExit({ code: 1, signal: null, lastWords: '' })
  assert.deepEqual([lost, failed], [['banned'], []])
  cell.handlers?.onMessage(ready)
  assert.equal(agent.begun, 2, 'it is tried again when the network starts again')
})

test('a node that served and cannot any more is lost, and the network is not', () => {
  const { cell, agent, start, lost, failed, pass } = setup()
  start(null, localAgent)
  cell.handlers?.onMessage(ready)
  agent.handlers?.onMessage(serving)
  agent.handlers?.onExit({ code: null, signal: 'SIGKILL', lastWords: '' })
  pass()
  assert.equal(agent.begun, 2)
  agent.handlers?.onMessage({ type: 'failed', code: 'model_missing', message: 'moved away' })
  agent.handlers?.onExit({ code: 1, signal: null, lastWords: '' })
  assert.deepEqual([lost, failed], [['moved away'], []])
})

test('a node that cannot begin as it was asked to ends the start', () => {
  const { cell, agent, start, lost, failed } = setup()
  start(null, localAgent)
  cell.handlers?.onMessage(ready)
  agent.handlers?.onMessage({ type: 'failed', code: 'model_missing', message: 'no such file' })
  agent.handlers?.onExit({ code: 1, signal: null, lastWords: '' })
  assert.deepEqual([lost, failed], [[], ['no such file']])
})

const serving = {
  ...{ type: 'serving', nodeId: 'nod_1', isParked: false },
  models: [{ id: 'model', slots: 1, tokensPerSecond: 1 }],
}

const ready = {
  type: 'ready',
  ...{ apiUrl: 'http://here', openaiBaseUrl: 'http://here/v1', publicUrl: 'http://here' },
  ...{ apiKey: null, operatorKey: null, port: 1, localPort: 1, holder: 'here' },
}

interface FakeChild {
  /** Of the one that was begun last; of the cell the first, for the next is its spare. */
  handlers: ChildHandlers | null
  begun: number
  readonly sent: unknown[]
}

const orders = ({ sent }: FakeChild): CellOrder[] => sent as CellOrder[] // What the supervisor sends to a cell.
const typesSent = (child: FakeChild): string[] => orders(child).map(({ type }) => type)

function setup() {
  const cell: FakeChild = { handlers: null, begun: 0, sent: [] }
  const agent: FakeChild = { handlers: null, begun: 0, sent: [] }
  const notes: string[] = []
  const lost: string[] = []
  const failed: string[] = []
  let waiting: (() => void)[] = []
  const modules = { cell: new URL('file:///cell.ts'), agent: new URL('file:///agent.ts') }
  const children: Children = {
    spawnChild({ module }, handlers) {
      const child = module === modules.cell ? cell : agent
      child.handlers = child === cell ? (child.handlers ?? handlers) : handlers
      child.begun++
      return { pid: null, send: (message) => void child.sent.push(message), kill: () => undefined }
    },
  }
  const clock: Clock = {
    nowMs: () => 0,
    elapsedMs: () => 0,
    after(_delayMs, run) {
      waiting.push(run)
      return { cancel: () => undefined }
    },
  }
  const pass = (): void => {
    const due = waiting
    waiting = []
    for (const run of due) run()
  }
  const start = (reference: AgentKeeperOptions | null, local: AgentKeeperOptions | null = null) =>
    startSupervisor(
      { children, clock, modules },
      { cell: config, agent: local, reference },
      {
        onReady: () => undefined,
        onStandby: () => undefined,
        onServing: () => undefined,
        onAgentState: () => undefined,
        onAgentNote: () => undefined,
        onAgentLost: ({ message }) => lost.push(message),
        onReferenceNote: (text) => notes.push(text),
        onRestart: () => undefined,
        onFailed: (problem) => (local ? failed.push(problem.message) : assert.fail(problem)),
      },
    )
  return { cell, agent, start, notes, lost, failed, pass }
}

const reference = referenceAgent('/data', { render: 'auto', logLevel: 'warn' })
assert(reference)
const localAgent: AgentKeeperOptions = { ...reference, isNice: false, isEnrolled: () => true }

const config: Omit<CellConfig, 'predecessor'> = {
  ...{ role: 'cell', databaseUrl: null, busUrl: null, secretsFolder: null },
  dataFolder: '/data',
  listen: listenLocally(0),
  ...{ networkName: 'test', feeBps: 0, testBalance: 0n, logLevel: 'warn' },
}
