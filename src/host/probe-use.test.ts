import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CommandResult, Machine } from './machine.ts'
import { createUseProbe, readGpuUse } from './probe-use.ts'

const OWN = 100

test('what this process and its children use is not what others use', () => {
  const machine = recorded({
    stat: [
      [1_000, 9_000],
      [1_600, 9_400],
    ],
    // Of 600 ticks of work our own tree did 500, of them 100 by a child that has ended since.
    processes: [
      { [OWN]: [1, 0], 200: [OWN, 100], 300: [1, 900] },
      { [OWN]: [1, 100], 200: [OWN, 500], 300: [1, 1_000] },
    ],
  })
  const probe = createUseProbe(machine, OWN)
  assert.equal(probe.othersCpuShare(), null, 'there is nothing yet to compare with')
  machine.next()
  assert.equal(probe.othersCpuShare(), 0.1)
})

test('a machine that tells nothing is not known to be used', async () => {
  const machine = {
    listFolder: () => [],
    readFile: () => null,
    run: async (): Promise<CommandResult> => 'not_found',
  }
  const probe = createUseProbe(machine, OWN)
  assert.deepEqual(
    [probe.othersCpuShare(), await probe.othersGpuShare(), await probe.idleMs(0)],
    [null, null, null],
  )
})

test('of the cards the one counts that others use most, and our own work on it does not', () => {
  const text = `# gpu         pid   type     sm    mem    enc    dec    jpg    ofa    command
# Idx           #    C/G      %      %      %      %      %      %    name
    0        200     C     90      5      -      -      -      -    blender
    0        555     G     12      1      -      -      -      -    Xorg
    1          -     -      -      -      -      -      -      -    -
`
  assert.equal(readGpuUse(text, new Set([200])), 0.12)
  assert.equal(readGpuUse(text, new Set()), 1)
  assert.equal(readGpuUse('no devices were found', new Set()), null)
})

test('a terminal or a desktop that was used last says how long ago that was', async () => {
  const answers: Readonly<Record<string, string>> = {
    stat: '1000\n1500\n',
    'loginctl list-sessions': '  c1 1000 ada seat0\n  c2 0 root\n',
    'loginctl show-session':
      'Type=wayland\nIdleHint=yes\nIdleSinceHint=1700000000\n\nType=tty\nIdleHint=no\nIdleSinceHint=0\n',
  }
  const machine: Pick<Machine, 'listFolder' | 'readFile' | 'run'> = {
    listFolder: (path) => (path === '/dev/pts' ? ['0', '1', 'ptmx'] : []),
    readFile: () => null,
    async run(command, args) {
      const stdout = answers[`${command} ${args[0]}`] ?? answers[command] ?? ''
      return { code: 0, stdout, stderr: '' }
    },
  }
  assert.equal(await createUseProbe(machine, OWN).idleMs(2_000_000), 300_000)
  const busy = { ...machine, run: async () => ({ code: 0, stdout: 'c1\n', stderr: '' }) }
  assert.equal(await createUseProbe({ ...busy, listFolder: () => [] }, OWN).idleMs(5), null)
})

interface Recorded {
  /** Busy and idle ticks of the machine at each look. */
  readonly stat: readonly (readonly [number, number])[]
  /** Parent and ticks of each process. */
  readonly processes: readonly Readonly<Record<number, readonly [number, number]>>[]
}

function recorded({ stat, processes }: Recorded) {
  let look = 0
  const here = () => processes[look] ?? {}
  return {
    next: () => void look++,
    listFolder: (path: string) => (path === '/proc' ? [...Object.keys(here()), 'self', 'stat'] : []),
    readFile(path: string) {
      const [busy, idle] = stat[look] ?? [0, 0]
      if (path === '/proc/stat') return `cpu  ${busy} 0 0 ${idle} 0 0 0 0 0 0\ncpu0 1 2 3\n`
      const pid = Number(/^\/proc\/(\d+)\/stat$/.exec(path)?.[1])
      const [parent, ticks] = here()[pid] ?? [0, 0]
      return `${pid} (a (strange) name) S ${parent} 1 1 0 -1 4194560 0 0 0 0 ${ticks} 0 0 0 20 0 1 0`
    },
    run: async (): Promise<CommandResult> => 'not_found',
  }
}
