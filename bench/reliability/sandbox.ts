/**
 * Sixty ways out of the sandbox, tried from within: whether each is contained, and whether the machine is afterwards what it was.
 * Those that harm nothing are tried without the box first: one that gets nowhere there, either, is not counted.
 * The box is the one that tasks run in, started by the code that starts them.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BoxedEnd, runBoxed } from '#engines/boxed-run.ts'
import type { Sandbox } from '#engines/sandbox.ts'
import { nodeClock } from '#host/node/node-clock.ts'
import { createNodePrograms } from '#host/node/node-programs.ts'
import { nodeTaskFiles } from '#host/node/node-task-files.ts'
import { bombs, harmless, ofTheNetwork, type Probe, probes } from './probes.ts'
import { type Check, none, type ScenarioResult, tell } from './scenario.ts'

const MIB = 2 ** 20
const [MEMORY_BYTES, OUT_BYTES, PROCESSES] = [256 * MIB, 64 * MIB, 64]
const [PROBE_MS_MAX, BOMB_MS_MAX] = [10_000, 15_000]

export async function sandbox(): Promise<ScenarioResult> {
  if (spawnSync('bwrap', ['--version']).status !== 0) throw new Error('bubblewrap (bwrap) is not installed')
  const folder = mkdtempSync(join(tmpdir(), 'shoal-probes-'))
  const secret = join(folder, 'secret')
  writeFileSync(secret, 'a secret of this machine')
  const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1')
  const local = createServer((socket) => socket.end())
  const bystander = spawn('sleep', ['600'], { stdio: 'ignore' })
  const abandon = (): void => {
    bystander.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
    process.exit(1)
  }
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, abandon)
  try {
    await new Promise((resolve) => server.once('listening', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address ? address.port : 0
    await new Promise<void>((resolve, reject) => {
      local.once('error', reject).listen(`\0shoal-probe-${port}`, resolve)
    })
    const env = { SECRET: secret, PORT: String(port), HOST_PID: String(bystander.pid) }
    const run = async (one: Probe, timeMsMax: number, programs = grouped): Promise<BoxedEnd> => {
      const out = join(folder, 'out')
      rmSync(out, { recursive: true, force: true })
      mkdirSync(out)
      return await runBoxed(runOf(one, { out, env, timeMsMax }), { ...ports, programs })
    }
    const blunt = probes.filter(({ name, script }) => {
      if (!harmless.includes(name)) return false
      const cwd = mkdtempSync(join(folder, 'free-'))
      const { PATH = '' } = process.env
      return (
        spawnSync('/bin/sh', ['-c', script], { cwd, env: { PATH, ...env }, timeout: PROBE_MS_MAX }).status !==
        0
      )
    })
    const escaped: string[] = []
    const telling = probes.filter((one) => !blunt.includes(one))
    for (const one of telling) {
      const { code, cause } = await run(one, PROBE_MS_MAX)
      if (code === 0 && cause === null) escaped.push(one.name)
    }
    tell(`${telling.length - escaped.length} of ${telling.length} probes contained ${escaped.join('; ')}`)
    const unbound: string[] = []
    for (const bomb of bombs) {
      const { cause, code } = await run(bomb, bomb.causes[0] === 'time' ? 3_000 : BOMB_MS_MAX)
      if (!bomb.causes.some((one) => one === cause))
        unbound.push(`${bomb.name}: ended by ${cause ?? `itself with ${code}`}`)
    }
    // The weaker limits, of nodes that may make no control groups. What eats processes is bound within the box.
    for (const bomb of bombs.filter(({ causes }) => causes[0] === 'memory')) {
      const { cause, code } = await run(bomb, BOMB_MS_MAX, ungrouped)
      // A process that gets no more memory ends itself, too.
      const isBound = cause === 'memory' || (cause === null && code !== 0)
      if (!isBound) unbound.push(`${bomb.name}, without groups: ended by ${cause ?? 'itself'}`)
    }
    tell(
      `${bombs.length - unbound.length} of ${bombs.length} bombs ended by what they passed ${unbound.join('; ')}`,
    )
    const names = blunt.map(({ name }) => name)
    const found = judgeProbes({ escaped, unbound, blunt: names, harm: harmDone(bystander.pid ?? 0) })
    return { ...found, notRun: [...found.notRun, ...absent()] }
  } finally {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, abandon)
    bystander.kill('SIGKILL')
    server.close()
    local.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

const grouped = createNodePrograms()
const ungrouped = createNodePrograms({ usesGroups: false })
const ports = { files: nodeTaskFiles, clock: nodeClock }

function runOf(
  { script }: Probe,
  { out, env, timeMsMax }: { out: string; env: Readonly<Record<string, string>>; timeMsMax: number },
) {
  const box: Sandbox = {
    readOnly: [],
    writable: { from: out, to: '/work' },
    usesGpu: false,
    scratchBytes: 512 * MIB,
    processesMax: PROCESSES,
    env,
  }
  return {
    box,
    command: ['/bin/sh', '-c', script],
    limits: { memoryBytes: MEMORY_BYTES, processes: PROCESSES, fileBytes: null },
    timeMsMax,
    outBytesMax: OUT_BYTES,
    keepsLinePipe: false,
    signal: new AbortController().signal,
  }
}

/** What of the machine is not what it was. */
function harmDone(bystander: number): string[] {
  const left = [
    '/usr/bin/shoal-escaped',
    '/etc/shoal-escaped',
    '/shoal-escaped',
    '/dev/shoal-escaped',
    '/usr/bin/shoal-tar',
  ]
  const harm = left.filter((path) => existsSync(path))
  if (hostname() === 'taken') harm.push('the name of the machine')
  if (Date.now() < 1_000_000_000_000) harm.push('the clock')
  if (!existsSync(`/proc/${bystander}`)) harm.push('a process of the machine')
  const survivors = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isLeft(pid))
  return [...harm, ...survivors.map((pid) => `process ${pid} of a probe lives`)]
}

/** The bombs name their children so that nothing else is meant. */
function isLeft(pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') === 'sleep\0' + '1000\0'
  } catch {
    return false // It ended while it was read.
  }
}

type Found = Readonly<Record<'escaped' | 'unbound' | 'blunt' | 'harm', readonly string[]>>

/** Blunt probes are no part of the count: what cannot succeed is contained by nothing. */
export function judgeProbes({ escaped, unbound, blunt, harm }: Found) {
  const all = probes.length - blunt.length + bombs.length
  // A machine without a network is one that people have; one whose own files and processes cannot be reached is not.
  const dull = blunt.filter((name) => !ofTheNetwork.includes(name))
  const checks: Check[] = [
    {
      what: 'probes contained',
      found: `${all - escaped.length - unbound.length} of ${all}`,
      pass: `${all} of ${all}`,
      isPassed: escaped.length + unbound.length === 0,
    },
    none('probes of the machine itself that get nowhere without the box, and so prove nothing', dull.length),
    none('things of the machine that were harmed or left behind', harm.length),
  ]
  const notRun = blunt.map((name) => `probe '${name}': gets nowhere on this machine without a box, either`)
  const figures = { probes: probes.length - blunt.length, bombs: bombs.length, escaped, unbound, blunt, harm }
  return { figures, checks, notRun }
}

/** Other boxes of the fault matrix. */
const absent = (): string[] =>
  ['runc', 'podman'].map((name) =>
    spawnSync(name, ['--version']).status === 0
      ? `${name}: installed, but nothing of Shoal runs in it yet (containers wait for leases)`
      : `${name}: not installed, and nothing of Shoal runs in it yet (containers wait for leases)`,
  )
