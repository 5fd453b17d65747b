import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRecordedMachine, type Recording } from '#sim/recorded-machine.ts'
import { type SystemPart, setUpSystem } from './system-parts.ts'

const APT = 'env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120'
const lists = { '/var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_main_binary-amd64_Packages.lz4': '' }

test('when all is there, nothing is asked of the system but that', async () => {
  const { said, outcome, ran } = await setup({ commands: { 'sh -c command -v strace': '/usr/bin/strace\n' } })
  assert.deepEqual(outcome, { installed: [], missing: [] })
  assert.deepEqual(ran, ['sh -c command -v strace'])
  assert.match(said, /nothing to do/)
})

test('root on Debian installs what is missing, without fetching lists that are there', async () => {
  const { said, outcome, ran } = await setup({
    commands: { ...root, ...appearing, [`${APT} install`]: '' },
    files: lists,
  })
  assert.deepEqual(outcome, { installed: ['strace'], missing: [] })
  assert(!ran.some((line) => line.endsWith(' update')))
  assert(ran.includes(`${APT} install --yes --no-install-recommends strace`))
  assert.match(said, /Installed strace/)
})

test('lists that are missing are fetched first', async () => {
  const { ran } = await setup({
    commands: { ...root, ...appearing, [`${APT} install`]: '', [`${APT} update`]: '' },
  })
  assert.deepEqual(
    ran.filter((line) => line.startsWith('env')).map((line) => line.includes('update')),
    [true, false],
  )
})

test('lists that are too old are fetched again, once', async () => {
  const failThenWork = [{ code: 100, stderr: 'E: Failed to fetch strace 404\n' }, '']
  const { outcome, ran } = await setup({
    commands: { ...root, ...appearing, [`${APT} install`]: failThenWork, [`${APT} update`]: '' },
    files: lists,
  })
  assert.deepEqual(outcome.installed, ['strace'])
  assert.equal(ran.filter((line) => line.endsWith('update')).length, 1)
})

test('an installation that fails is told with its reason', async () => {
  const offline = {
    code: 100,
    stderr: 'W: Some index files failed to download.\nE: Unable to locate package strace\n',
  }
  const { said, outcome } = await setup({
    commands: { ...root, 'sh -c command -v strace': { code: 127 }, [`${APT}`]: offline },
    files: lists,
  })
  assert.deepEqual(outcome, { installed: [], missing: ['strace'] })
  assert.match(said, /Could not install strace: E: Unable to locate package strace.*apt-get install/)
})

test('who is not root is told the exact command and why', async () => {
  const { said, outcome, ran } = await setup({
    commands: { 'sh -c command -v apt-get': '/usr/bin/apt-get\n', 'id -u': '1000\n' },
  })
  assert.deepEqual(outcome.missing, ['strace'])
  assert.match(said, /strace \(why; for tests\)/)
  assert.match(said, /sudo apt-get install --yes --no-install-recommends strace/)
  assert(!ran.some((line) => line.startsWith('env')))
})

test('a system without apt-get is told the names', async () => {
  assert.match(
    (await setup({ commands: { 'id -u': '0\n' } })).said,
    /Install strace with the package manager/,
  )
})

const root = { 'sh -c command -v apt-get': '/usr/bin/apt-get\n', 'id -u': '0\n' }
const appearing = { 'sh -c command -v strace': [{ code: 127 }, '/usr/bin/strace\n'] }
const parts: SystemPart[] = [{ package: 'strace', binary: 'strace', why: 'why', neededBy: 'tests' }]

async function setup(recording: Recording) {
  const machine = createRecordedMachine(recording)
  const lines: string[] = []
  const outcome = await setUpSystem(machine, (line) => lines.push(line), parts)
  return { outcome, said: lines.join('\n'), ran: machine.ran }
}
