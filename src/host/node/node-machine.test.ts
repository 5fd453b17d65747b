import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import os from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createNodeMachine } from './node-machine.ts'

const node = process.execPath
const LONG_MS = 60_000

test('a command gives its code and both outputs', async () => {
  const script = 'process.stdout.write("out"); process.stderr.write("err"); process.exitCode = 3'
  const result = await createNodeMachine().run(node, ['-e', script], { timeoutMs: LONG_MS })
  assert.deepEqual(result, { code: 3, stdout: 'out', stderr: 'err' })
})

test('a command that is not there is not found', async () => {
  assert.equal(
    await createNodeMachine().run('shoal-no-such-command', [], { timeoutMs: LONG_MS }),
    'not_found',
  )
})

test('a command that never ends is killed and timed out', async () => {
  const result = await createNodeMachine().run(node, ['-e', 'setInterval(() => {}, 1000)'], {
    timeoutMs: 300,
  })
  assert.equal(result, 'timed_out')
})

test('a command that dies of a signal has 128 and its number as its code', async () => {
  const result = await createNodeMachine().run(
    node,
    ['-e', 'process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000)'],
    { timeoutMs: LONG_MS },
  )
  assert.equal(typeof result === 'string' ? result : result.code, 128 + os.constants.signals.SIGTERM)
})

test('a command runs in the folder it is given', async (t) => {
  const { folder, machine } = setup(t)
  const result = await machine.run(node, ['-p', 'process.cwd()'], { timeoutMs: LONG_MS, folder })
  assert.equal(typeof result === 'string' ? result : result.stdout.trim(), folder)
})

test('facts are of this machine', () => {
  const facts = createNodeMachine().facts()
  assert(facts.cores >= 1 && facts.memoryMib > 0)
  assert(facts.freeMemoryMib >= 0 && facts.freeMemoryMib <= facts.memoryMib)
  assert.equal(facts.nodeVersion, process.versions.node)
  assert.notEqual(facts.osName, '')
})

test('the disk of a folder that is yet to be made is that of the nearest one above it', async (t) => {
  const { folder, machine } = setup(t)
  const free = await machine.diskFreeMib(join(folder, 'a/b/c'))
  assert(free !== null && free > 0)
})

test('a folder that can be made is writable; a file in its place is told', async (t) => {
  const { folder, machine } = setup(t)
  writeFileSync(join(folder, 'file'), '')
  assert.deepEqual(await machine.folderState(join(folder, 'a/b')), { isWritable: true })
  assert.deepEqual(await machine.folderState(join(folder, 'file')), {
    isWritable: false,
    reason: 'not_a_folder',
  })
  assert.deepEqual(await machine.folderState(join(folder, 'file/b')), {
    isWritable: false,
    reason: 'not_a_folder',
  })
})

test('a taken port is told from a free one', async () => {
  const server = createServer()
  const port = await new Promise<number>((done) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      done(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
  assert.equal(await createNodeMachine().portState(port), 'taken')
  await new Promise((done) => server.close(done))
  assert.equal(await createNodeMachine().portState(port), 'free')
})

test('files and folders that are not there read as nothing', (t) => {
  const { folder, machine } = setup(t)
  mkdirSync(join(folder, 'b'))
  writeFileSync(join(folder, 'a'), 'text')
  assert.equal(machine.readFile(join(folder, 'a')), 'text')
  assert.equal(machine.readFile(join(folder, 'b')), null)
  assert.deepEqual(machine.listFolder(folder), ['a', 'b'])
  assert.deepEqual(machine.listFolder(join(folder, 'none')), [])
})

test('the power of the CPU packages is read where the system shows it', async (t) => {
  const { folder, machine } = setup(t)
  assert.equal(await machine.cpuPowerWatts(), null)
  const zone = join(folder, 'class/powercap/intel-rapl:0')
  mkdirSync(zone, { recursive: true })
  writeFileSync(join(zone, 'energy_uj'), '123456\n')
  writeFileSync(join(zone, 'max_energy_range_uj'), '262143328850\n')
  assert.equal(await machine.cpuPowerWatts(), 0)
})

function setup(t: TestContext) {
  const folder = mkdtempSync(join(os.tmpdir(), 'shoal-machine-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return { folder, machine: createNodeMachine(folder) }
}
