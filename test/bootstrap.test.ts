import assert from 'node:assert/strict'
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import {
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'

test('the first start installs, stamps and goes on with the arguments; the second only goes on', async (t) => {
  const { bootstrap, installs } = setup(t)
  const first = await bootstrap(['test', 'a b', '--in', 'x'])
  assert.deepEqual([first.code, first.stdout], [0, 'run ["a b","--in","x"]\n'])
  assert.match(first.stderr, /installing packages \(nothing is installed yet\)[\s\S]*packages are ready/)
  const second = await bootstrap(['test'])
  assert.deepEqual([second.code, second.stdout, second.stderr], [0, 'run []\n', ''])
  assert.equal(installs().length, 1)
})

test('start becomes "shoal up", setup its own program', async (t) => {
  const { bootstrap } = setup(t)
  assert.equal((await bootstrap(['start', '--data', 'D'])).stdout, 'shoal ["up","--data","D"]\n')
  assert.equal((await bootstrap(['setup'])).stdout, 'setup []\n')
  const wrong = await bootstrap(['dance'])
  assert.deepEqual([wrong.code, wrong.stdout], [1, ''])
  assert.match(wrong.stderr, /Usage: node bootstrap\.mjs start\|test\|setup\|build/)
})

test('start and test build the web pages first, and go on without them where that fails', async (t) => {
  const { bootstrap, root } = setup(t)
  mkdirSync(join(root, 'web'))
  writeFileSync(join(root, 'web/build-web.ts'), 'console.log("pages")')
  const good = await bootstrap(['start'])
  assert.deepEqual([good.code, good.stdout], [0, 'shoal ["up"]\n'])
  assert.match(good.stderr, /^pages$/m)
  assert.doesNotMatch((await bootstrap(['setup'])).stderr, /pages/)
  writeFileSync(join(root, 'web/build-web.ts'), 'process.exit(3)')
  const bad = await bootstrap(['test'])
  assert.deepEqual([bad.code, bad.stdout], [0, 'run []\n'])
  assert.match(bad.stderr, /the web pages were not built, and going on without them/)
})

test('a changed package.json or lock file is installed again', async (t) => {
  const { bootstrap, installs, root } = setup(t)
  await bootstrap(['test'])
  writeFileSync(join(root, 'package-lock.json'), '{"changed": true}')
  assert.match((await bootstrap(['test'])).stderr, /package-lock\.json changed/)
  assert.equal(installs().length, 2)
})

test('npm is called so that what surrounds it cannot mislead it', async (t) => {
  const { bootstrap, installs } = setup(t)
  await bootstrap(['test'], {
    npm_config_omit: 'dev',
    npm_config_dry_run: 'true',
    npm_config_global: 'true',
    npm_package_name: 'outer',
    npm_config_proxy: 'kept',
  })
  const install = installs()[0]
  assert.deepEqual(install?.args.slice(0, 3), ['install', '--no-fund', '--no-audit'])
  assert.deepEqual(
    install?.npmNames.filter((name) => name !== 'npm_execpath'),
    ['npm_config_proxy'],
  )
})

test('of two that start at once, one installs and both go on', async (t) => {
  const { begin, installs, root } = setup(t, 'while (!fs.existsSync("go")) Atomics.wait(cell, 0, 0, 10)')
  const first = begin(['test', '1'])
  await first.untilStderr(/installing packages/)
  const second = begin(['test', '2'])
  await second.untilStderr(/waiting for it/)
  writeFileSync(join(root, 'go'), '')
  const ends = await Promise.all([first.end, second.end])
  assert.deepEqual(
    ends.map(({ code, stdout }) => [code, stdout]),
    [
      [0, 'run ["1"]\n'],
      [0, 'run ["2"]\n'],
    ],
  )
  assert.equal(installs().length, 1)
})

test('a lock whose holder died is taken over', async (t) => {
  const { bootstrap, root } = setup(t)
  mkdirSync(join(root, 'node_modules'))
  writeFileSync(join(root, 'node_modules/.shoal-lock'), `${hostname()} 999999999`)
  assert.equal((await bootstrap(['test'])).code, 0)
  assert(!existsSync(join(root, 'node_modules/.shoal-lock')))
})

test('an installation that fails stops with what to do, and is tried again', async (t) => {
  const { bootstrap, installs } = setup(t, 'process.exit(1)')
  for (const count of [1, 2]) {
    const { code, stdout, stderr } = await bootstrap(['test'])
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /npm install failed \(code 1\)\. .* try again\./)
    assert.doesNotMatch(stderr, /\n\s+at /)
    assert.equal(installs().length, count)
  }
})

test('an installation that was cut short begins with nothing: npm would believe its remains to be whole', async (t) => {
  const { bootstrap, root } = setup(
    t,
    'if (!fs.existsSync("once")) { fs.writeFileSync("once", ""); fs.mkdirSync("node_modules/half"); process.exit(137) }',
  )
  assert.match((await bootstrap(['test'])).stderr, /interrupted/)
  assert(existsSync(join(root, 'node_modules/half')))
  const { code, stderr } = await bootstrap(['test'])
  assert.equal(code, 0)
  assert.match(stderr, /beginning it anew/)
  assert(!existsSync(join(root, 'node_modules/half')))
})

test('beginning anew spares the Node that it runs on, which npm is started with', async (t) => {
  const { bootstrap, root } = setup(t)
  const own = join(root, 'node_modules/node-own/bin')
  for (const folder of [own, join(root, 'node_modules/half'), join(root, 'node_modules/.bin')])
    mkdirSync(folder, { recursive: true })
  copyFileSync(process.execPath, join(own, 'node'), constants.COPYFILE_FICLONE)
  writeFileSync(join(root, 'node_modules/.shoal-unfinished'), '')
  const { code, stderr } = await bootstrap(['test'], {}, join(own, 'node'))
  assert.equal(code, 0, stderr)
  assert.match(stderr, /beginning it anew/)
  assert.deepEqual(
    ['node-own/bin/node', 'half'].map((name) => existsSync(join(root, 'node_modules', name))),
    [true, false],
  )
})

test('a place where nothing can be installed is told before npm is called', async (t) => {
  const { bootstrap, installs, root } = setup(t)
  writeFileSync(join(root, 'node_modules'), 'a file')
  const { code, stderr } = await bootstrap(['test'])
  assert.equal(code, 1)
  assert.match(stderr, /is not a folder\. Delete it/)
  assert.equal(installs().length, 0)
})

test('the end of the program is the end of the start: its code, or the signal that killed it', async (t) => {
  const { bootstrap, root } = setup(t)
  writeFileSync(join(root, 'test/run.ts'), 'process.exit(Number(process.argv[2]))')
  assert.equal((await bootstrap(['test', '77'])).code, 77)
  writeFileSync(
    join(root, 'test/run.ts'),
    "process.kill(process.pid, 'SIGKILL')\nsetInterval(() => {}, 1000)",
  )
  assert.equal((await bootstrap(['test'])).signal, 'SIGKILL')
})

for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) {
  test(`${signal} reaches the program, which may take its time`, async (t) => {
    const { begin, root } = setup(t)
    const listen = `process.on('${signal}', () => setTimeout(() => { console.log('drained'); process.exit(3) }, 50))`
    writeFileSync(
      join(root, 'test/run.ts'),
      `${listen}\nsetInterval(() => {}, 1000)\nconsole.error('listening')`,
    )
    const running = begin(['test'])
    await running.untilStderr(/listening/)
    running.child.kill(signal)
    const { code, stdout } = await running.end
    assert.deepEqual([code, stdout], [3, 'drained\n'])
  })
}

interface Install {
  readonly args: readonly string[]
  readonly npmNames: readonly string[]
}

/** A root with a bootstrap, programs that print their arguments, and an npm that runs `behaviour`, then installs. */
function setup(t: TestContext, behaviour = '') {
  const root = mkdtempSync(join(tmpdir(), 'shoal-bootstrap-'))
  t.after(() => rmSync(root, { recursive: true }))
  copyFileSync(join(import.meta.dirname, '../bootstrap.mjs'), join(root, 'bootstrap.mjs'))
  writeFileSync(join(root, 'package.json'), '{"type": "module"}')
  writeFileSync(join(root, 'package-lock.json'), '{}')
  for (const name of ['bin/shoal', 'bin/setup', 'test/run']) {
    mkdirSync(join(root, name, '..'), { recursive: true })
    writeFileSync(
      join(root, `${name}.ts`),
      `console.log('${name.slice(name.indexOf('/') + 1)}', JSON.stringify(process.argv.slice(2)))`,
    )
  }
  mkdirSync(join(root, 'fake'))
  writeFileSync(
    join(root, 'fake/npm-cli.cjs'),
    `const fs = require('node:fs')
const cell = new Int32Array(new SharedArrayBuffer(4))
const npmNames = Object.keys(process.env).filter((name) => name.startsWith('npm_'))
fs.appendFileSync('installs', JSON.stringify({ args: process.argv.slice(2), npmNames }) + '\\n')
${behaviour}
fs.mkdirSync('node_modules/.bin', { recursive: true })
fs.rmSync('node_modules/.bin/node', { force: true })
fs.symlinkSync(process.execPath, 'node_modules/.bin/node')
`,
  )
  const begin = (args: readonly string[], env: Record<string, string> = {}, node = process.execPath) => {
    const quiet = Object.entries(process.env).filter(([name]) => !/^npm_|^NODE_TEST/.test(name))
    const child = spawn(node, ['bootstrap.mjs', ...args], {
      cwd: root,
      env: { ...Object.fromEntries(quiet), ...env, npm_execpath: join(root, 'fake/npm-cli.cjs') },
    })
    return watch(child)
  }
  const installs = (): Install[] =>
    existsSync(join(root, 'installs'))
      ? readFileSync(join(root, 'installs'), 'utf8')
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as Install)
      : []
  const bootstrap = (args: readonly string[], env = {}, node = process.execPath) => begin(args, env, node).end
  return { root, begin, bootstrap, installs }
}

function watch(child: ChildProcessWithoutNullStreams) {
  const wrote = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      wrote[name] += text
    })
  }
  const end = new Promise<{ code: number | null; signal: string | null; stdout: string; stderr: string }>(
    (done) => {
      child.on('close', (code, signal) => done({ code, signal, ...wrote }))
    },
  )
  const untilStderr = (pattern: RegExp) =>
    new Promise<void>((done, fail) => {
      const look = () => pattern.test(wrote.stderr) && done()
      child.stderr.on('data', look)
      void end.then(() => fail(new Error(`it ended without ${pattern}: ${wrote.stderr}`)))
      look()
    })
  return { child, end, untilStderr }
}
