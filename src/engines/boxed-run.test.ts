import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Programs } from '#host/programs.ts'
import { createTestWorld } from '#sim/test-world.ts'
import { type BoxedRun, runBoxed } from './boxed-run.ts'

const GIB = 2 ** 30

test('what a program has in files that it unlinked counts like what it has in its folder', async () => {
  const { run } = setup({ namedBytes: [GIB, GIB], namelessBytes: 3 * GIB + 1 })
  assert.equal((await run()).cause, 'disk')
})

test('a disk that is nearly full ends the program, as nobody’s fault', async () => {
  const { run } = setup({ freeBytes: [8 * GIB, 3 * GIB, 2 * GIB - 1] })
  await assert.rejects(run(), { code: 'disk_full', details: { failureClass: 'infrastructure' } })
})

test('a disk that others filled before, or that lost no more than a program may have, ends nothing', async () => {
  for (const freeBytes of [
    [GIB, GIB - 1],
    [5 * GIB, GIB],
  ]) {
    const { run } = setup({ freeBytes })
    assert.equal((await run()).cause, 'time')
  }
})

interface Seen {
  /** Look by look; the last stays. */
  readonly freeBytes?: readonly number[]
  readonly namedBytes?: readonly number[]
  readonly namelessBytes?: number
}

/** A program that may have 4 GiB and ten seconds, and never ends by itself. */
function setup({ freeBytes = [100 * GIB], namedBytes = [0], namelessBytes = 0 }: Seen) {
  const world = createTestWorld()
  const { clock } = world.machine('node').host
  const programs: Programs = {
    start: (_, { onLine, onExit }) => {
      clock.after(1, () => onLine('shoal-started'))
      return {
        pid: 7,
        sendLine: () => undefined,
        usage: () => ({
          ...{ residentBytes: 1, peakBytes: 1, cpuMs: 1, processes: 1 },
          nameless: { diskBytes: namelessBytes, memoryBytes: 0 },
        }),
        kill: () => void clock.after(1, () => onExit({ code: null, signal: 'SIGKILL', reason: null })),
      }
    },
  }
  const [free, named] = [inTurn(freeBytes), inTurn(namedBytes)]
  const files = { freeBytes: async () => free(), bytesBelow: async () => named() }
  const asked: BoxedRun = {
    box: {
      readOnly: [],
      writable: { from: '/out', to: '/work' },
      ...{ usesGpu: false, scratchBytes: 1, processesMax: 1 },
    },
    command: ['true'],
    limits: { memoryBytes: null, processes: null, fileBytes: null },
    ...{ timeMsMax: 10_000, outBytesMax: 4 * GIB, keepsLinePipe: false },
    signal: new AbortController().signal,
  }
  return { run: () => world.settle(runBoxed(asked, { programs, files, clock })) }
}

function inTurn(values: readonly number[]): () => number {
  const rest = [...values]
  return () => (rest.length > 1 ? rest.shift() : rest[0]) ?? 0
}
