/** Clocks that are wrong and disks that fail to sync, for single processes: a small library preloaded into them, built by the C compiler. */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Rig } from '../e2e/rig.ts'

export interface ProcessFaults {
  /** To stand before a program's command. What it starts has the same faults. */
  readonly command: readonly string[]
  /** Moves the wall clock, from now on, to so much beside the true time. */
  moveClock(offsetMs: number): void
  /** Each sync works, fails with an input/output error, or takes so many milliseconds longer. */
  setSync(how: 'works' | 'fails' | number): void
}

export interface ChaosLibc {
  faults(name: string): ProcessFaults
}

/** Builds the library into the rig's folder, or says why that is not possible here. */
export function buildChaosLibc(rig: Rig): ChaosLibc | string {
  if (process.platform !== 'linux') return 'a library is preloaded on Linux alone'
  const library = rig.path('faulty-libc.so')
  const source = join(import.meta.dirname, 'faulty-libc.c')
  const { status, error, stderr } = spawnSync(
    'cc',
    ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'],
    {
      encoding: 'utf8',
    },
  )
  if (error) return 'there is no C compiler (cc)'
  if (status !== 0) return `the C compiler refused: ${stderr.slice(0, 300)}`
  return {
    faults(name) {
      const path = rig.path(`${name}.faults`)
      writeFileSync(path, Buffer.alloc(12))
      const write = (bytes: Buffer, at: number): void => {
        const file = openSync(path, 'r+')
        writeSync(file, bytes, 0, bytes.length, at)
        closeSync(file)
      }
      return {
        command: ['env', `LD_PRELOAD=${library}`, `CHAOS_FAULTS=${path}`],
        moveClock(offsetMs) {
          const bytes = Buffer.alloc(8)
          bytes.writeBigInt64LE(BigInt(Math.round(offsetMs)) * 1_000_000n)
          write(bytes, 0)
        },
        setSync(how) {
          const bytes = Buffer.alloc(4)
          bytes.writeInt32LE(how === 'works' ? 0 : how === 'fails' ? 1 : Math.max(2, how))
          write(bytes, 8)
        },
      }
    },
  }
}
