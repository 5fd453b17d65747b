/** The watch over a machine's devices, with programs in the place of the vendor's: no GPU is needed, and none is tested. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startHealthWatch } from '#agent/health/health-watch.ts'
import { createNodeMachine } from '#host/node/node-machine.ts'

test('a machine without a GPU is never looked at', async (t) => {
  const { watch, looks } = setup(t, { gpus: [] })
  assert.deepEqual([watch.faults(), looks()], [[], 0])
})

test('a fault that the kernel reports is told at the next look, by a tool that knows fewer fields', async (t) => {
  const { watch, look, says } = setup(t, {})
  await look()
  assert.deepEqual(watch.faults(), [])
  const uptime = Number.parseFloat(createNodeMachine().readFile('/proc/uptime') ?? '0')
  says('dmesg', `[${uptime.toFixed(6)}] NVRM: Xid (PCI:0000:01:00): 79, pid=1, GPU has fallen off the bus.`)
  await look()
  assert.deepEqual(
    watch.faults().map(({ device, code }) => `${device} ${code}`),
    ['0000:01:00 gpu_lost'],
  )
})

test('so is one on a machine that was asleep, whose log counts less time than it was up', async (t) => {
  const { watch, look, says } = setup(t, { uptimeSeconds: 8 * 3_600 })
  await look()
  says('dmesg', '[20.5] NVRM: Xid (PCI:0000:01:00): 79, pid=1, GPU has fallen off the bus.')
  await look()
  assert.deepEqual(
    watch.faults().map(({ code }) => code),
    ['gpu_lost'],
  )
})

test('errors of memory take it out until they are gone, and heat when it lasts', async (t) => {
  const { watch, look, says } = setup(t, {})
  const codes = () => watch.faults().map(({ code }) => code)
  says('nvidia-smi', '0, 00000000:01:00.0, 2, 0x0000000000000000')
  await look()
  assert.deepEqual(codes(), ['gpu_memory'])
  says('nvidia-smi', '0, 00000000:01:00.0, 0, 0x0000000000000040')
  await look()
  assert.deepEqual(codes(), [])
  await look()
  await look()
  assert.deepEqual(codes(), ['gpu_hot'])
})

test('a driver that fails without a word is silent after two looks', async (t) => {
  const { watch, look, says } = setup(t, {})
  await look()
  says('nvidia-smi', '', 9)
  await look()
  assert.deepEqual(watch.faults(), [])
  await look()
  assert.deepEqual(
    watch.faults().map(({ code }) => code),
    ['gpu_silent'],
  )
})

/** Programs of a folder of their own, and a clock that moves when a test says so. */
function setup(
  t: { after(run: () => void): void },
  {
    gpus = [{ vendor: 'nvidia' }],
    uptimeSeconds,
  }: { gpus?: readonly { vendor: 'nvidia' }[]; uptimeSeconds?: number },
) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-health-'))
  const path = process.env['PATH']
  const machine = createNodeMachine()
  const says = (program: string, text: string, code = 0): void => {
    // This one is of before the new name of the field.
    const guard =
      program === 'nvidia-smi'
        ? `case "$*" in *clocks_event*) echo 'Field "clocks_event_reasons.active" is not a valid field to query.'; exit 2;; esac\n`
        : ''
    const file = join(folder, program)
    writeFileSync(file, `#!/bin/sh\n${guard}cat <<'END'\n${text}\nEND\nexit ${code}\n`)
    chmodSync(file, 0o755)
  }
  says('nvidia-smi', '0, 00000000:01:00.0, 0, 0x0000000000000001')
  says('dmesg', '[1.0] usb 1-1: new device')
  process.env['PATH'] = `${folder}:${path}`
  let next: (() => void) | null = null
  let wake: (() => void) | null = null
  let looks = 0
  const watch = startHealthWatch(
    {
      clock: {
        after(_delayMs, run) {
          looks++
          next = run
          wake?.()
          return { cancel() {} }
        },
      },
      log: { info() {}, warn() {}, error() {} },
      machine:
        uptimeSeconds === undefined ? machine : { run: machine.run, readFile: () => `${uptimeSeconds} 1.0` },
    },
    gpus,
  )
  t.after(() => {
    watch.close()
    process.env['PATH'] = path
    rmSync(folder, { recursive: true })
  })
  const settled = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve
    })
  return {
    watch,
    says,
    looks: () => looks,
    /** Waits for the look that is under way, and for another one. */
    async look() {
      if (!next) await settled()
      const run = next
      next = null
      const done = settled()
      run?.()
      await done
    },
  }
}
