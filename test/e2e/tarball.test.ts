/**
 * What `npm pack` ships, as a stranger meets it: installed in an empty folder, on the Node that the system has, with
 * no program beside it that Debian does not always have.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { startProgram, until } from './process-group.ts'
import { awaitNetwork, openRig } from './rig.ts'

const root = join(import.meta.dirname, '../..')
const rig = openRig()
after(() => rig.dispose())

const folder = rig.path('installed')
/** What the system itself has, without what npm put before it: an older Node, as a rule. */
const systemPath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .filter((entry) => !entry.includes('node_modules'))
  .join(delimiter)
let tarball = ''
let skipReason: string | null = null

before(() => {
  tarball = pack()
  mkdirSync(folder)
  const { status, stderr } = npm(['install', '--no-audit', '--no-fund', tarball], folder)
  if (status !== 0) skipReason = `npm cannot install the tarball here: ${lastLines(stderr)}`
})

test('the tarball holds what runs and nothing that tells of the machine it was packed on', (t) => {
  const files = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n')
  t.diagnostic(`${(statSync(tarball).size / 1e6).toFixed(1)} MB, ${files.length} files`)
  for (const wanted of [
    'bin/shoal.mjs',
    'dist/run/cell-main.js',
    'data/gpus.json',
    'models/guide/guide.gguf',
  ])
    assert(files.includes(`package/${wanted}`), wanted)
  const unwanted = files.filter((file) =>
    /\.test\.|\.map$|\/(src|test|bench|node_modules)\/|\/\.|(?<!\.d)\.ts$/.test(file),
  )
  assert.deepEqual(unwanted, [])
  assert(statSync(tarball).size < 10e6)
  const unpacked = rig.path('unpacked')
  mkdirSync(unpacked)
  execFileSync('tar', ['-xzf', tarball, '-C', unpacked])
  const tells = filesBelow(unpacked).filter((file) => {
    const text = readFileSync(join(unpacked, file), 'latin1')
    return text.includes(root) || /"resolved": "http|registry\.npmjs\.org\/[^ ]+\.tgz/.test(text)
  })
  assert.deepEqual(tells, [])
})

test('every import of the compiled code leads to a file or to a package that is installed with it', () => {
  const place = rig.path('unpacked/package')
  const manifest = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8')) as Manifest
  const packages = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })
  const compiled = filesBelow(join(place, 'dist')).filter((file) => /(?<!^vendor\/.*)\.js$/.test(file))
  const wrong = compiled.flatMap((file) => {
    const text = readFileSync(join(place, 'dist', file), 'utf8')
    const specifiers = [...text.matchAll(IMPORT)]
    return specifiers
      .map(([, fixed, loaded]) => fixed ?? loaded ?? '')
      .filter((specifier) => !leadsSomewhere(specifier, join(place, 'dist', file), packages))
      .map((specifier) => `${file}: ${specifier}`)
  })
  assert(compiled.length > 200)
  assert.deepEqual(wrong, [])
})

test('npx shoal answers under the Node that the system has, and says the release', (t) => {
  if (skipsHere(t)) return
  const node = execFileSync('node', ['--version'], { encoding: 'utf8', env: { PATH: systemPath } }).trim()
  t.diagnostic(`the system has Node ${node}`)
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  const { status, stdout } = run('npx', ['shoal', '--version'])
  assert.deepEqual([status, stdout.trim()], [0, version])
  assert.equal(run(bin(), ['no-such-command']).status, 2)
  assert.equal(run('node', [shim(), '--version']).stdout.trim(), version)
})

test('doctor finds nothing missing where there is nothing but a shell, but what it takes to render', (t) => {
  if (skipsHere(t)) return
  const bare = barePath()
  const { status, stdout } = run(bin(), ['doctor', '--json'], bare)
  const { checks } = JSON.parse(stdout) as { checks: { name: string; status: string; fix: string | null }[] }
  assert.equal(status, 0, stdout)
  const here = ['CPU', 'Memory', 'Disk', 'Open files', 'Port'] // This machine may really be short of these.
  const rendering = checks.find((check) => check.name === 'Rendering')
  // What a node needs to render is no part of Shoal: that it is not there is said, and is no fault.
  assert.equal(rendering?.status, 'note')
  assert.match(rendering?.fix ?? '', /apt-get install .*blender bubblewrap ffmpeg/)
  assert.deepEqual(
    checks.filter((check) => check.status !== 'ok' && check !== rendering && !here.includes(check.name)),
    [],
  )
  assert(['Packages', 'Engine'].every((name) => checks.some((check) => check.name === name)))
})

test('doctor names what was taken away, and a command that cannot start says what it lacks', (t) => {
  if (skipsHere(t)) return
  const engine = `node_modules/@node-llama-cpp/${process.platform}-${process.arch}`
  const withoutEngine = without(engine, () => run(bin(), ['doctor'], barePath()))
  assert.equal(withoutEngine.status, 1)
  assert.match(withoutEngine.stdout, /✗ Engine .*no build[\s\S]*needed for[\s\S]*→ Install Shoal again/)
  const withoutHono = without('node_modules/hono', () => run(bin(), ['doctor']))
  assert.equal(withoutHono.status, 1)
  assert.match(withoutHono.stdout, /✗ Packages +hono is missing/)
  const withoutPino = without('node_modules/pino', () => run(bin(), ['up', '--port', '0']))
  assert.equal(withoutPino.status, 8)
  assert.match(withoutPino.stderr, /^shoal: the package pino is missing\. Install Shoal again\.\n$/)
})

test('a GPU without its engine is never served by the CPU unasked', (t) => {
  if (skipsHere(t)) return
  const path = `${fakeGpu()}${delimiter}${systemPath}`
  const data = ['--data', rig.path('gpu-data')]
  const refused = run(bin(), ['up', '--port', '0', '--no-engine-install', ...data], path)
  assert.equal(refused.status, 8)
  assert.match(
    refused.stderr,
    /cuda build for NVIDIA GeForce RTX 4090 .* is not installed: shoal engine install cuda/,
  )
  assert.match(run(bin(), ['doctor', ...data], path).stdout, /! GPU engine +the cuda build/)
})

test('shoal up serves a completion, and Ctrl-C ends it well', async (t) => {
  if (skipsHere(t)) return
  const dataFolder = rig.path('data')
  const readyFile = rig.path('ready.json')
  const args = ['up', '--data', dataFolder, '--port', '0', '--ready-file', readyFile, '--cpu']
  const program = startProgram([bin(), ...args], { cwd: folder, env: { HOME: rig.folder, PATH: systemPath } })
  const network = await awaitNetwork({ program, folder: dataFolder, readyFile })
  const reply = await network.openai.chat.completions.create({
    model: 'shoal-guide',
    messages: [{ role: 'user', content: 'What is Shoal?' }],
  })
  assert.match(reply.choices[0]?.message.content ?? '', /Shoal/)
  const models = await network.openai.models.list()
  assert.deepEqual(
    models.data.map(({ id }) => id),
    ['shoal-guide'],
  )
  program.signalGroup('SIGINT')
  assert.deepEqual(await program.end.then(({ code, signal }) => [code, signal]), [0, null], program.output())
  await until('everything to be gone', () => rig.processes().length === 0)
})

test('a program of somebody else compiles against the typed client, and not against what is not there', (t) => {
  if (skipsHere(t)) return
  writeFileSync(join(folder, 'consumer.mts'), CONSUMER)
  const options = { strict: true, noEmit: true, module: 'nodenext', target: 'es2024', lib: ['es2024', 'dom'] }
  const config = {
    compilerOptions: { ...options, types: [], resolveJsonModule: true },
    files: ['consumer.mts'],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const tsc = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'], {
    cwd: folder,
    encoding: 'utf8',
  })
  assert.deepEqual([tsc.status, tsc.stdout], [0, ''])
  assert.match(run(process.execPath, ['consumer.mts']).stdout, /^network_unreachable \d+ GPUs\n$/)
})

const CONSUMER = `
import { type Client, createClient } from 'shoal/client'
import { parseCatalogue } from 'shoal/economics/catalogue'
import { Problem } from 'shoal/problem'
import { routes } from 'shoal/routes'
import electricity from 'shoal/data/electricity.json' with { type: 'json' }
import gpus from 'shoal/data/gpus.json' with { type: 'json' }
import networks from 'shoal/data/networks.json' with { type: 'json' }

const away = async (): Promise<Response> => { throw new Problem('network_unreachable', 'nobody there') }
const client: Client = createClient(routes, { baseUrl: 'http://127.0.0.1:1', fetch: away })
// @ts-expect-error: there is no such route
export const wrong = () => client.doSomethingElse()
export const name = async (): Promise<string> => (await client.getStatus()).networkName
const code = await client.getStatus().then(() => 'none', (error) => (error instanceof Problem ? error.code : 'other'))
console.log(code, parseCatalogue({ gpus, electricity, networks }).gpus.length, 'GPUs')
`

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>
  readonly optionalDependencies: Readonly<Record<string, string>>
}

/** As the compiler writes them: one statement from the line's beginning, or a call. */
const IMPORT = /^(?:import|export) (?:[\w$*{},\s]+ from )?'([^']+)'|\bimport\('([^']+)'\)/gm

function leadsSomewhere(specifier: string, file: string, packages: readonly string[]): boolean {
  if (specifier.startsWith('node:')) return true
  if (specifier.startsWith('.')) return existsSync(join(dirname(file), specifier))
  if (specifier.startsWith('#'))
    return existsSync(rig.path(`unpacked/package/dist/${specifier.slice(1).replace(/\.ts$/, '.js')}`))
  return packages.some((name) => specifier === name || specifier.startsWith(`${name}/`))
}

const bin = (): string => join(folder, 'node_modules/.bin/shoal')
const shim = (): string => join(folder, 'node_modules/shoal/bin/shoal.mjs')

function skipsHere(t: TestContext): boolean {
  if (skipReason !== null) t.skip(skipReason)
  return skipReason !== null
}

/** `npm pack` in the repository, as anybody would: it builds first. */
function pack(): string {
  const packed = npm(['pack', '--json', '--pack-destination', rig.folder], root)
  assert.equal(packed.status, 0, packed.stderr)
  const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }]
  return rig.path(filename)
}

/** With its owner's settings, and without what an outer npm says of what it does now. */
function npm(args: readonly string[], cwd: string) {
  const misleading =
    /^npm_(?!config_)|^npm_config_(global|prefix|local_prefix|dry_run|omit|include|ignore_scripts|json)$|^NODE_TEST/
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !misleading.test(name)))
  const options = { cwd, env: { ...env, PATH: systemPath }, encoding: 'utf8', timeout: 240_000 } as const
  return spawnSync('npm', args, options)
}

/** Runs a program in the folder of the installation to its end. */
function run(command: string, args: readonly string[], path = systemPath) {
  const env = { HOME: rig.folder, PATH: path, npm_config_update_notifier: 'false' }
  return spawnSync(command, args, { cwd: folder, env, encoding: 'utf8', timeout: 60_000 })
}

/** Does `work` while a part of the installation is away. */
function without<T>(path: string, work: () => T): T {
  const [place, away] = [join(folder, path), rig.path('away')]
  renameSync(place, away)
  try {
    return work()
  } finally {
    renameSync(away, place)
  }
}

/** A folder with the few programs that every Debian has and that Shoal calls. */
function barePath(): string {
  return makeFolder('bare', (place) => {
    for (const name of ['sh', 'readlink', 'id']) symlinkSync(which(name), join(place, name))
  })
}

/** A driver that tells of a GPU, on a system that has what the CUDA build needs. */
function fakeGpu(): string {
  const recording = join(root, 'test/golden/gpu-probe/nvidia-one.csv')
  const libraries = ['libcuda.so.1', 'libcudart.so.13', 'libcublas.so.13']
  const list = libraries.map((name) => `\\t${name} (libc6,x86-64) => /lib/${name}\\n`).join('')
  return makeFolder('fake-gpu', (place) => {
    writeFileSync(join(place, 'nvidia-smi'), `#!/bin/sh\ncat '${recording}'\n`, { mode: 0o755 })
    writeFileSync(join(place, 'ldconfig'), `#!/bin/sh\nprintf '${list}'\n`, { mode: 0o755 })
  })
}

function makeFolder(name: string, fill: (place: string) => void): string {
  const place = rig.path(name)
  if (!readdirSync(rig.folder).includes(name)) {
    mkdirSync(place)
    fill(place)
  }
  return place
}

const which = (name: string): string =>
  execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim()

const lastLines = (text: string): string => text.trim().split('\n').slice(-3).join(' ')

const filesBelow = (place: string): string[] =>
  readdirSync(place, { recursive: true, encoding: 'utf8' }).filter((file) =>
    statSync(join(place, file)).isFile(),
  )
