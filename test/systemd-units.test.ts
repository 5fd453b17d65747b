/** The units that the documentation gives are ones that systemd takes, and their commands ones that `shoal` takes. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

const root = join(import.meta.dirname, '..')
const folder = join(root, 'docs/operating/systemd')
const units = readdirSync(folder).filter((name) => name.endsWith('.service'))
const isThere = spawnSync('systemd-analyze', ['--version'], { stdio: 'ignore' }).status === 0
const skip = isThere ? false : 'systemd-analyze is not installed'
const copies = mkdtempSync(join(tmpdir(), 'shoal-units-'))
after(() => rmSync(copies, { recursive: true, force: true }))

for (const unit of units) {
  const text = readFileSync(join(folder, unit), 'utf8')

  test(`systemd takes ${unit} without a complaint`, { skip }, () => {
    const copy = join(copies, unit)
    writeFileSync(copy, text.replaceAll('/opt/shoal', root))
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', copy], {
      encoding: 'utf8',
    })
    const complaints = stderr.split('\n').filter((line) => line.includes(unit))
    assert.deepEqual([complaints, status], [[], 0], stderr)
  })

  test(`every option in ${unit} is one of its command's`, () => {
    const commands = [...text.matchAll(/^#? *ExecStart=(\S.*(?:\\\n.*)*)$/gm)].map(
      ([, command = '']) => command,
    )
    assert.ok(commands.length >= 2, 'the unit itself, and how to change it')
    for (const command of commands) {
      const name = /shoal\.ts (\w+)/.exec(command)?.[1] ?? assert.fail(command)
      const { stdout } = spawnSync(process.execPath, [join(root, 'bin/shoal.ts'), name, '--help'], {
        encoding: 'utf8',
      })
      for (const [option] of command.matchAll(/--[a-z-]+/g))
        assert.match(stdout, new RegExp(`${option}\\b`), `${name} has ${option}`)
    }
  })
}
