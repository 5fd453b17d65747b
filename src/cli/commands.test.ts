import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { createStubTerminal, type StubTerminal } from './stub-context.ts'
import { createStubTools } from './stub-job-tools.ts'
import { createStubNetwork } from './stub-network.ts'
import { fetchFrom } from './test-fetch.ts'

/** Every command with what it prints, as a terminal session. `UPDATE_GOLDEN=1` writes it anew. */
const GOLDEN = new URL('./commands.golden.txt', import.meta.url)

for (const [commandLine, expected] of readGolden()) {
  test(`shoal ${commandLine} prints what it always did`, async () => {
    const { run } = setup()
    assert.equal(formatRun(await run(...words(commandLine))), expected)
  })
}

test('what is written for people goes to the other output than the result', async () => {
  const { run } = setup()
  assert.deepEqual((await run('nodes', 'show', 'nod_9')).out, '')
  assert.deepEqual((await run('nodes')).err, '')
})

test('a deposit is made once, however often it is repeated by its id', async () => {
  const { run, network } = setup()
  await run('accounts', 'deposit', '1', '--test', '--transfer-id', 'trf_x')
  await run('accounts', 'deposit', '1', '--test', '--transfer-id', 'trf_x')
  assert.equal(network.accounts.get('consumer:org_1')?.available, 9_999_999_958n)
})

test('a deposit whose answer was lost says how to repeat it safely', async () => {
  const lost = new Problem('network_timeout', 'No answer.')
  const { network, run } = setup({}, (request) => (request.method === 'POST' ? Promise.reject(lost) : null))
  const { exitCode, err } = await run('accounts', 'deposit', '1', '--test')
  assert.equal(exitCode, 3)
  assert.match(err, /repeat it with --transfer-id trf_1, which makes it once only/)
  assert.equal(network.deposits.size, 0)
})

test('so does pay that is held back', async () => {
  const lost = new Problem('network_timeout', 'No answer.')
  const { run } = setup({}, (request) => (request.method === 'POST' ? Promise.reject(lost) : null))
  const { exitCode, err } = await run('payouts', 'hold-back', 'provider:org_1', '5', '--reason', 'r')
  assert.equal(exitCode, 3)
  assert.match(err, /The holdback may have happened: repeat it with --id hb_1, which makes it once only/)
})

test('names that others gave cannot steer the terminal', async () => {
  const { network, run } = setup({ isTty: true })
  const node = network.nodes.get('nod_1')
  assert.ok(node)
  network.nodes.set('nod_1', { ...node, name: 'a\u001b[2J\u0007b', bannedReason: 'x\u009b31m' })
  for (const line of ['nodes', 'nodes show nod_1', 'nodes drain nod_1']) {
    const { out } = await run(...words(line))
    // Our own colours are the only sequences that are left.
    assert.doesNotMatch(out.replace(/\p{Cc}\[\d+m/gu, ''), /[^\P{Cc}\n]/u, line)
  }
})

test('a terminal gets colour; a pipe, NO_COLOR and a dumb terminal do not', async () => {
  const colour = /\p{Cc}\[/u
  const coloured: Partial<StubTerminal>[] = [{ isTty: true }, { env: { FORCE_COLOR: '1' } }]
  const plain: Partial<StubTerminal>[] = [
    {},
    { isTty: true, env: { NO_COLOR: '1' } },
    { isTty: true, env: { TERM: 'dumb' } },
    { isTty: true, env: { FORCE_COLOR: '0' } },
  ]
  for (const terminal of coloured) assert.match((await setup(terminal).run('nodes')).out, colour)
  for (const terminal of plain) assert.doesNotMatch((await setup(terminal).run('nodes')).out, colour)
})

test('Ctrl-C ends a command with 130 and leaves no listener behind', async () => {
  const terminal = setup({}, (request) => {
    queueMicrotask(terminal.interrupt)
    return new Promise((_, reject) => {
      request.signal.addEventListener('abort', () => reject(request.signal.reason))
    })
  })
  assert.deepEqual(await terminal.run('nodes'), { exitCode: 130, out: '', err: 'Interrupted.\n' })
  assert.equal(terminal.isListening(), false)
})

function readGolden(): [commandLine: string, expected: string][] {
  const sessions = readFileSync(GOLDEN, 'utf8').split(/^\$ shoal /m)
  return sessions.slice(1).map((session) => {
    const [commandLine = '', ...lines] = session.split('\n')
    return [commandLine, lines.join('\n')]
  })
}

if (process.env['UPDATE_GOLDEN']) {
  const sessions = readGolden().map(async ([commandLine]) => {
    const run = await setup().run(...words(commandLine))
    return `$ shoal ${commandLine}\n${formatRun(run)}`
  })
  writeFileSync(GOLDEN, (await Promise.all(sessions)).join(''))
}

function formatRun({ exitCode, out, err }: { exitCode: number; out: string; err: string }): string {
  return `${out}${err}${exitCode === 0 ? '' : `[exit code ${exitCode}]\n`}\n`
}

/** Words of a command line; double quotes keep them together. */
function words(commandLine: string): string[] {
  return [...commandLine.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
}

/** A terminal beside a network in memory; `answer` may take a request before the network sees it. */
function setup(
  terminal: Partial<StubTerminal> = {},
  answer: (request: Request) => Promise<Response> | null = () => null,
) {
  const network = createStubNetwork()
  const scopes = { member: ['owner'], operator: ['operator'], viewer: ['viewer'] } as const
  const isKnown = (key: string): key is keyof typeof scopes => key in scopes
  const ask = fetchFrom(network.handlers, (key) =>
    isKnown(key) ? { organisationId: 'org_1', keyId: key, scopes: scopes[key] } : null,
  )
  const fetch = async (request: Request): Promise<Response> => answer(request) ?? ask(request)
  const parts = { jobTools: async () => createStubTools() }
  return { network, ...createStubTerminal({ fetch, parts, ...terminal }) }
}
