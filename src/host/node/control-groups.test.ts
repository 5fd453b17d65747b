import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openControllers } from './control-groups.ts'

test('in version 2 this process leaves its group, which then limits those below it', () => {
  const { base, read } = setup({ procs: [process.pid], open: '' })
  openControllers(base)
  assert.equal(read('shoal-agent/cgroup.procs'), String(process.pid))
  assert.equal(read('cgroup.subtree_control'), '+memory')
})

test('a group that has processes of others stays as it is', () => {
  const { base, read } = setup({ procs: [process.pid, process.ppid], open: '' })
  openControllers(base)
  assert.equal(read('shoal-agent/cgroup.procs'), '')
  assert.equal(read('cgroup.subtree_control'), '')
})

test('a group that limits those below it already is left alone, and so is one that has no such limits', () => {
  for (const controllers of ['memory', '']) {
    const { base, read } = setup({ procs: [process.pid], controllers })
    openControllers(base)
    assert.equal(read('shoal-agent/cgroup.procs'), '')
    assert.equal(read('cgroup.subtree_control'), 'memory')
  }
})

interface Group {
  readonly procs: readonly number[]
  readonly controllers?: string
  readonly open?: string
}

/** A folder with the files that such a group has; what is written to them stays as it was written. */
function setup({ procs, controllers = 'cpu memory', open = 'memory' }: Group) {
  const base = mkdtempSync(join(tmpdir(), 'shoal-groups-'))
  after(() => rmSync(base, { recursive: true, force: true }))
  mkdirSync(join(base, 'shoal-agent'))
  const files = {
    'cgroup.procs': `${procs.join('\n')}\n`,
    'cgroup.controllers': controllers,
    'cgroup.subtree_control': open,
    'shoal-agent/cgroup.procs': '',
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(base, name), text)
  return { base, read: (name: string) => readFileSync(join(base, name), 'utf8').slice(0, 20) }
}
