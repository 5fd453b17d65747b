import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openPgliteFolder } from './pglite-folder.ts'

test('an empty folder holds nothing that could be harmed', (t) => {
  assert.equal(openPgliteFolder(setup(t).folder).harm, null)
})

test('data is trusted after a close, and after a death of the process alone', async (t) => {
  const { folder, fill } = setup(t)
  fill('x')
  openPgliteFolder(folder).mark('open')
  assert.equal(openPgliteFolder(folder).harm, null)
  await openPgliteFolder(folder).markClosed()
  assert.equal(openPgliteFolder(folder).harm, null)
})

const harms = [
  { name: 'that nobody vouches for', state: null, harm: 'unknown_state' },
  { name: 'whose state is torn', state: '{"state":"op', harm: 'unknown_state' },
  { name: 'of a state that is not known', state: '{"state":"new","bootId":"b"}', harm: 'unknown_state' },
  { name: 'that was being made', state: '{"state":"creating","bootId":"b"}', harm: 'unfinished' },
  {
    name: 'that was open when the machine stopped',
    state: '{"state":"open","bootId":"b"}',
    harm: 'machine_restarted',
  },
  {
    name: 'that was closed before the machine stopped',
    state: '{"state":"closed","bootId":"b"}',
    harm: null,
  },
]
for (const { name, state, harm } of harms) {
  test(`data ${name}: ${harm ?? 'no harm'}`, (t) => {
    const { folder, fill } = setup(t)
    fill('x')
    if (state !== null) writeFileSync(join(folder, 'state.json'), state)
    assert.equal(openPgliteFolder(folder).harm, harm)
  })
}

test('one copy is set aside, the newest, and can be taken back', (t) => {
  const { folder, fill, content } = setup(t)
  for (const text of ['first', 'second']) {
    fill(text)
    const path = openPgliteFolder(folder).setAside()
    assert.equal(readFileSync(join(path, 'base', '1'), 'utf8'), text)
    assert.equal(existsSync(openPgliteFolder(folder).data), false)
  }
  assert.equal(readdirSync(folder).length, 1)
  fill('half made')
  openPgliteFolder(folder).restore()
  assert.equal(content(), 'second')
})

function setup(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-pglite-folder-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const { data } = openPgliteFolder(folder)
  return {
    folder,
    fill(text: string) {
      mkdirSync(join(data, 'base'), { recursive: true })
      writeFileSync(join(data, 'base', '1'), text)
    },
    content: () => readFileSync(join(data, 'base', '1'), 'utf8'),
  }
}
