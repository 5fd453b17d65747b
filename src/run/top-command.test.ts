import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createProgram, runProgram } from '#cli/program.ts'
import { createStubTerminal } from '#cli/stub-context.ts'
import { createStubNetwork } from '#cli/stub-network.ts'
import { createControlServer } from '#coordinator/control-server.ts'
import { serveFetch } from '#host/exchange-fetch.ts'
import { nodeClock } from '#host/node/node-clock.ts'
import { createNodeNetwork } from '#host/node/node-network.ts'
import { LiveNetwork } from '#protocol/live.ts'
import { routes } from '#protocol/routes.ts'
import type { Scope } from '#protocol/scope.ts'
import { runInTerminal, type TerminalStep, terminalMissing } from './test-terminal.ts'
import { topCommand } from './top-command.ts'

const entry = join(import.meta.dirname, '../../bin/shoal.ts')
const ALTERNATE_ON = '\u001b[?1049h'
const ALTERNATE_OFF = '\u001b[?1049l'
const CURSOR_OFF = '\u001b[?25l'
const CURSOR_ON = '\u001b[?25h'

test('--once prints every table, and ends', async () => {
  const { out, exitCode } = await runTop('--once')
  assert.equal(exitCode, 0)
  assert.match(out, /^local 0\.1\.0 · up 2 h 5 min · 1 gateway/)
  assert.match(out, /MODELS\nMODEL +NODES +SLOTS +QUEUE/)
  assert.match(out, /^workbench +online +2\/16 +612 +61 ms/m)
  assert.match(out, /^attic +ejected +0\/16 +200 +420 ms +7/m)
  assert.match(out, /^req_1 +running, moved 1× +shoal-guide/m)
  assert.match(out, /^req_f +failed: no_node_available/m)
  assert.ok(!out.includes('\u001b'))
})

test('output that is no terminal gets one print, too', async () => {
  assert.match((await runTop()).out, /NEWEST REQUESTS/)
})

test('--json prints the snapshot as the API has it', async () => {
  const { out } = await runTop('--json')
  const live = LiveNetwork.parse(JSON.parse(out))
  assert.equal(live.recent[0]?.cost, 2_990n)
})

test('a network that does not answer is a problem, and no empty screen', async () => {
  const { fetch } = await import('#host/node/fetch-client.ts').then(({ fetchNetwork }) => ({
    fetch: fetchNetwork,
  }))
  const terminal = createStubTerminal({ fetch })
  const program = createProgram(terminal.context, [topCommand(terminal.context)])
  const exitCode = await runProgram(program, terminal.context, [
    'top',
    '--url',
    'http://127.0.0.1:1',
    '--key',
    'k',
  ])
  assert.equal(exitCode, 3)
  assert.equal(terminal.written.out, '')
})

test('the full screen shows what runs, follows keys and size, and leaves the terminal as it was', {
  skip: terminalMissing,
}, async (t) => {
  const { isCooked, output, exitCode, screens } = await runScreen(t, [
    { shows: 'workbench', press: '2' },
    { shows: 'CLASS', press: 's' },
    { shows: 'sort: ttft', press: '\t' },
    { shows: 'no_node_available', press: '\u001b[B\u001b[B\u001b[B' },
    { shows: 'scroll', press: '1' },
    { shows: 'SLOTS', resize: { columns: 40, rows: 12 } },
    { shows: 'TOK/S', press: 'q' },
  ])
  assert.equal(exitCode, 0)
  assert.ok(isCooked, 'the terminal takes lines and echoes again')
  assert.ok(output.startsWith(ALTERNATE_ON) || output.includes(ALTERNATE_ON))
  assert.ok(output.lastIndexOf(ALTERNATE_OFF) > output.lastIndexOf(ALTERNATE_ON))
  assert.ok(output.lastIndexOf(CURSOR_ON) > output.lastIndexOf(CURSOR_OFF))
  assert.doesNotMatch(screens.at(-1) ?? '', /REQ\/S/, 'forty columns have no room for it')
})

for (const [name, step] of [
  ['Ctrl-C', { press: '\u0003' }],
  ['Escape', { press: '\u001b' }],
  ['a polite signal', { signal: 'SIGTERM' }],
] as const) {
  test(`${name} ends it, and the terminal is as it was`, { skip: terminalMissing }, async (t) => {
    const { isCooked, output } = await runScreen(t, [{ shows: 'workbench', ...step }])
    assert.ok(isCooked)
    assert.ok(output.lastIndexOf(ALTERNATE_OFF) > output.lastIndexOf(ALTERNATE_ON))
    assert.ok(output.lastIndexOf(CURSOR_ON) > output.lastIndexOf(CURSOR_OFF))
  })
}

test('a network that goes away is told, and the last figures stay', { skip: terminalMissing }, async (t) => {
  const { isCooked } = await runScreen(
    t,
    [{ shows: 'workbench' }, { shows: 'answer' }, { shows: '', press: 'q' }],
    { answersMax: 2 },
  )
  assert.ok(isCooked)
})

async function runTop(...args: readonly string[]) {
  const { handlers } = createStubNetwork()
  const app = appOf(handlers)
  const terminal = createStubTerminal({ fetch: async (request) => app.fetch(request) })
  const program = createProgram(terminal.context, [topCommand(terminal.context)])
  const exitCode = await runProgram(program, terminal.context, ['top', ...args])
  return { exitCode, ...terminal.written }
}

const appOf = (handlers: ReturnType<typeof createStubNetwork>['handlers']) =>
  createControlServer(routes, handlers, {
    clock: nodeClock,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    requestId: () => 'req_1',
    hostnames: [],
    origins: [],
    authenticate: (key) => ({
      keyId: 'key_1',
      organisationId: 'org_1',
      scopes: [key === 'operator' ? 'operator' : ('developer' satisfies Scope)],
    }),
    mayAnswer: () => true,
    openAiBaseUrl: 'http://127.0.0.1/v1',
    onBug(error) {
      throw error
    },
  })

/** The real command in a real terminal, against the stub network over real HTTP. After `answersMax` calls it is gone. */
async function runScreen(
  t: TestContext,
  steps: readonly TerminalStep[],
  { answersMax = Number.POSITIVE_INFINITY } = {},
) {
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const app = appOf(createStubNetwork().handlers)
  let answers = 0
  const listener = await createNodeNetwork({ clock: nodeClock, log }).listen(
    { hostname: '127.0.0.1', port: 0 },
    {
      onExchange(exchange) {
        if (++answers > answersMax) return exchange.abort()
        serveFetch(exchange, async (request) => app.fetch(request), {
          bytesMax: 1,
          origin: 'http://127.0.0.1',
        })
      },
      onLink: () => null,
    },
  )
  t.after(() => listener.close(0))
  const url = `http://127.0.0.1:${listener.port}`
  const command = [process.execPath, entry, 'top', '--url', url, '--key', 'operator', '--interval', '0.2']
  return runInTerminal({ command, steps })
}
