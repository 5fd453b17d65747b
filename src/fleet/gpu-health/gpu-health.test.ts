import assert from 'node:assert/strict'
import { test } from 'node:test'
import { diagnose, newCourse, type Signs } from './diagnose.ts'
import { parseKernelFaults } from './kernel-faults.ts'
import { healthFields, parseNvidiaHealth, unknownHealthField } from './nvidia-health.ts'

const lines: readonly (readonly [line: string, found: string | null])[] = [
  // As drivers print them.
  [
    "[12044.550812] NVRM: Xid (PCI:0000:81:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
    'gpu_lost grave',
  ],
  ['[12044.550830] NVRM: GPU 0000:81:00.0: GPU has fallen off the bus.', 'gpu_lost grave'],
  [
    '[  871.331] NVRM: Xid (PCI:0000:3b:00): 48, pid=1713, name=python3, An uncorrectable double bit error (DBE) has been detected',
    'gpu_memory grave',
  ],
  [
    '[99.1] NVRM: Xid (PCI:0000:3b:00): 31, pid=11, name=python3, Ch 00000008, intr 00000000. MMU Fault',
    'gpu_fault',
  ],
  ['[99.1] NVRM: Xid (PCI:0000:3b:00): 43, pid=11, name=python3, Ch 00000008', null],
  [
    '[99.1] NVRM: Xid (PCI:0000:3b:00): 119, pid=1, name=x, Timeout waiting for RPC from GSP!',
    'gpu_silent grave',
  ],
  ['<4>[99.1] NVRM: Xid (PCI:0000:3b:00): 95, pid=11', 'gpu_memory grave'],
  ['[99.1] myhost kernel: NVRM: Xid (PCI:0000:3b:00): 79, pid=2', 'gpu_lost grave'],
  [
    '[  211.904] amdgpu 0000:03:00.0: amdgpu: ring gfx_0.0.0 timeout, signaled seq=92, emitted seq=94',
    'gpu_fault',
  ],
  ['[211.9] amdgpu 0000:03:00.0: amdgpu: GPU reset end with ret = -110', 'gpu_lost grave'],
  ['[211.9] amdgpu 0000:03:00.0: amdgpu: GPU reset begin!', null],
  [
    '[211.9] amdgpu 0000:03:00.0: amdgpu: 2 new uncorrectable hardware errors detected in umc block',
    'gpu_memory grave',
  ],
  ['[211.9] usb 1-1: new high-speed USB device number 2', null],
  ['NVRM: Xid (PCI:0000:3b:00): 79, without a time', null],
  ['[abc] NVRM: Xid (PCI:;rm -rf /): 79', null],
  ['', null],
]

test('faults of GPUs are read from lines of the kernel, and nothing else is', () => {
  for (const [line, found] of lines) {
    const [fault, ...more] = parseKernelFaults(line)
    assert.equal(more.length, 0)
    assert.equal(fault ? `${fault.code}${fault.isGrave ? ' grave' : ''}` : null, found, line)
    if (fault) assert.ok(fault.device.length <= 64 && fault.message.length <= 200)
  }
  const all = parseKernelFaults(lines.map(([line]) => line).join('\n'))
  assert.equal(all.length, lines.filter(([, found]) => found).length)
})

test('one grave fault is enough for half an hour, of passing ones it takes three within the hour', () => {
  const kernel = parseKernelFaults('[100.0] NVRM: Xid (PCI:0000:81:00): 79, pid=1')
  const grave = (uptimeSeconds: number | null) => look({ kernel, uptimeSeconds, gpus: [] })
  assert.deepEqual(
    [grave(101), grave(100 + 30 * 60), grave(null)].map((faults) => faults.length),
    [1, 0, 0],
  )
  const passing = (seconds: readonly number[]) =>
    look({
      kernel: parseKernelFaults(
        seconds.map((at) => `[${at}.5] NVRM: Xid (PCI:0000:81:00): 31, pid=1`).join('\n'),
      ),
      uptimeSeconds: 5_000,
      gpus: [],
    })
  assert.equal(passing([4_000, 4_500]).length, 0)
  assert.equal(passing([100, 4_000, 4_500]).length, 0)
  assert.deepEqual(
    passing([4_000, 4_500, 4_600]).map(({ code }) => code),
    ['gpu_fault'],
  )
})

test('on a machine that slept, what was not in the log at the look before is of now, whatever its stamp', () => {
  const [old, now] = [79, 62].map(
    (xid, index) => `[${100 + index * 300}.0] NVRM: Xid (PCI:0000:81:00): ${xid}, pid=1`,
  )
  // Asleep for eight hours: the uptime counts them, the log does not.
  const atMinute = (minute: number): number => 400 + 8 * 3_600 + minute * 60
  let course = newCourse
  const codes = (minute: number, text: string | null): string[] => {
    const kernel = text === null ? null : parseKernelFaults(text)
    const next = diagnose(course, { uptimeSeconds: atMinute(minute), kernel, gpus: [] })
    course = next.course
    return next.faults.map(({ code }) => code)
  }
  assert.deepEqual(
    codes(0, `${old}`),
    [],
    'of what was there at the first look the stamp is all that is known',
  )
  assert.deepEqual(codes(1, `${old}\n${now}`), ['gpu_fault'])
  assert.deepEqual(codes(2, null), [], 'the log could not be read')
  assert.deepEqual(codes(30, `${old}\n${now}`), ['gpu_fault'])
  assert.deepEqual(codes(31, `${old}\n${now}`), [], 'half an hour is over')
  assert.deepEqual(
    codes(32, `[50.0] NVRM: Xid (PCI:0000:81:00): 48\n${old}\n${now}`),
    [],
    'from further back',
  )
  const three = [500, 600, 700].map((at) => `[${at}.0] NVRM: Xid (PCI:0000:81:00): 31, pid=1`)
  assert.deepEqual(codes(33, three.slice(0, 2).join('\n')), [])
  assert.deepEqual(codes(90, three.join('\n')), ['gpu_fault'])
  assert.deepEqual(codes(94, three.join('\n')), [], 'two of the three are of more than an hour ago')
})

test('what nvidia-smi says of ECC, heat and power is read; what it does not say is no fault', () => {
  const gpus = parseNvidiaHealth(
    said(`0, 00000000:01:00.0, 0, 0x0000000000000001, 0x0000000000000001
1, 00000000:02:00.0, [N/A], 0x0000000000000044, [N/A]
2, 00000000:03:00.0, 3, [Not Supported], 0x0000000000000000
3, 00000000:04:00.0, 0, 0x0000000000000088, 0x0000000000000088
4, 00000000:05:00.0, [GPU requires reset], [GPU requires reset], [GPU requires reset]
Unable to determine the device handle for GPU0000:06:00.0: Unknown Error`),
  )
  assert.deepEqual(
    gpus?.map(({ device, fault, isHot, isBraked }) => [device, fault?.code ?? null, isHot, isBraked]),
    [
      ['GPU 0', null, false, false],
      ['GPU 1', null, true, false],
      ['GPU 2', 'gpu_memory', false, false],
      ['GPU 3', null, false, true],
      ['GPU 4', 'gpu_lost', false, false],
      ['0000:06:00.0', 'gpu_lost', false, false],
    ],
  )
})

test('an old tool names the field that it does not know, and answers without it', () => {
  const complaint = said('Field "clocks_event_reasons.active" is not a valid field to query.', 2)
  assert.equal(unknownHealthField(complaint), 'clocks_event_reasons.active')
  const fields = healthFields.filter((field) => field !== 'clocks_event_reasons.active')
  const [gpu] = parseNvidiaHealth(said('0, 00000000:01:00.0, 0, 0x40'), fields) ?? []
  assert.equal(gpu?.isHot, true)
  assert.equal(parseNvidiaHealth(said('', 9)), null)
  assert.equal(parseNvidiaHealth('timed_out'), null)
})

test('heat counts when it lasts, and is over when it has been gone for a while', () => {
  let course = newCourse
  const step = (isHot: boolean): number => {
    const gpu = { device: 'GPU 0', fault: null, isHot, isBraked: false }
    const next = diagnose(course, { uptimeSeconds: 1, kernel: [], gpus: [gpu] })
    course = next.course
    return next.faults.length
  }
  assert.deepEqual([true, true, false, true, true, true].map(step), [0, 0, 0, 0, 0, 1])
  assert.deepEqual([false, false, false, false, false, false].map(step), [1, 1, 1, 1, 1, 0])
})

test('a driver that does not answer twice is a fault, once is none', () => {
  const silent: Signs = { uptimeSeconds: 1, kernel: [], gpus: null }
  const once = diagnose(newCourse, silent)
  const twice = diagnose(once.course, silent)
  assert.deepEqual([once.faults, twice.faults.map(({ code }) => code)], [[], ['gpu_silent']])
  assert.deepEqual(diagnose(twice.course, { ...silent, gpus: [] }).faults, [])
})

const said = (stdout: string, code = 0) => ({ code, stdout, stderr: '' })
const look = (signs: Signs) => diagnose(newCourse, signs).faults
