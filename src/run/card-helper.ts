/** A helper program that computes proofs on cards: compiled once into the node's folder, then one line asked and one answered. */
import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { Problem } from '#protocol/problem.ts'
import type { KernelKind } from '#verify/hardware/kernel-source.ts'
import { helperSource, type OpenClDevices } from './card-helper-source.ts'

export interface CardHelper {
  /** Sends a line, answers those up to and with the first for which `isLast`. Rejects with `Problem('engine_failed')`. */
  ask(line: string, isLast?: (line: string) => boolean): Promise<string[]>
  /** Why it is gone; null while it is not. */
  failure(): string | null
  close(): void
}

const COMPILE_WITHIN_MS = 120_000
/** Of one answer: a round on a slow card. */
const ANSWER_WITHIN_MS = 170_000

const compilers: Readonly<Record<KernelKind, readonly string[]>> = {
  cuda: ['nvcc', '-O2', '-x', 'cu'],
  opencl: ['cc', '-O2', '-std=gnu11', '-x', 'c'],
  c: ['cc', '-O2', '-std=gnu11', '-x', 'c'],
}

/** Compiles the program with what this machine has, unless it did before. Rejects with `Problem('engine_missing')`. */
export async function compileHelper(
  kind: KernelKind,
  { folder, devices = 'cards' }: { readonly folder: string; readonly devices?: OpenClDevices },
): Promise<string> {
  const source = helperSource(kind, devices)
  const digest = Buffer.from(nodeCrypto.sha256(source)).toString('hex').slice(0, 16)
  const program = join(folder, `card-${kind}-${digest}`)
  const [compiler = '', ...flags] = compilers[kind]
  mkdirSync(folder, { recursive: true })
  const file = `${program}.source`
  writeFileSync(file, source)
  try {
    const made = `${program}.new`
    await promisify(execFile)(
      compiler,
      [...flags, '-o', made, file, ...(kind === 'opencl' ? ['-ldl'] : [])],
      {
        timeout: COMPILE_WITHIN_MS,
      },
    )
    renameSync(made, program)
  } catch (cause) {
    const text = cause instanceof Error ? cause.message.slice(0, 300) : String(cause)
    throw new Problem(
      'engine_missing',
      `"${compiler}" did not compile the program that proves cards: ${text}`,
      {
        cause,
      },
    )
  }
  return program
}

export function startHelper(program: string): CardHelper {
  const child: ChildProcessWithoutNullStreams = spawn(program, [], { stdio: ['pipe', 'pipe', 'pipe'] })
  let failure: string | null = null
  let reading: {
    readonly lines: string[]
    isLast(line: string): boolean
    done(lines: string[]): void
    fail(why: string): void
  } | null = null
  let queue: Promise<unknown> = Promise.resolve()

  function lose(why: string): void {
    failure ??= why
    reading?.fail(failure)
    reading = null
    child.kill('SIGKILL')
  }

  child.unref()
  child.stderr.resume()
  child.stdin.on('error', () => lose('it ended'))
  child.on('error', (error) => lose(error.message))
  child.on('exit', (code, signal) => lose(`it ended (${signal ?? code})`))
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (!reading) return
    reading.lines.push(line)
    if (!reading.isLast(line)) return
    const { done, lines } = reading
    reading = null
    done(lines)
  })

  function send(line: string, isLast: (line: string) => boolean): Promise<string[]> {
    return new Promise((resolve, reject) => {
      const fail = (why: string): void =>
        reject(new Problem('engine_failed', `The program that proves cards: ${why}.`))
      if (failure !== null) return fail(failure)
      const late = setTimeout(() => lose('it did not answer in time'), ANSWER_WITHIN_MS)
      late.unref()
      reading = {
        ...{ lines: [], isLast },
        done: (lines) => {
          clearTimeout(late)
          resolve(lines)
        },
        fail: (why) => {
          clearTimeout(late)
          fail(why)
        },
      }
      child.stdin.write(`${line}\n`)
    })
  }

  return {
    ask(line, isLast = () => true) {
      const asked = queue.then(() => send(line, isLast))
      queue = asked.catch(() => undefined)
      return asked
    },
    failure: () => failure,
    close: () => lose('it was closed'),
  }
}
