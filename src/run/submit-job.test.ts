/** Job files with a real folder: what is sent of it. */

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { createStubTerminal, STUB_CREDENTIALS } from '#cli/stub-context.ts'
import { createStubTools } from '#cli/stub-job-tools.ts'
import { createStubJobs } from '#cli/stub-jobs.ts'
import { createStubNetwork, STUB_NOW_MS } from '#cli/stub-network.ts'
import { fetchFrom } from '#cli/test-fetch.ts'
import { resultDisk } from './result-disk.ts'

const TEMPLATE = `
specificationVersion: jobtemplate-2023-09
name: Turn pictures
parameterDefinitions:
  - {name: Source, type: PATH, dataFlow: IN, default: pictures}
steps:
  - name: turn
    parameterSpace:
      taskParameterDefinitions:
        - {name: N, type: PATH, range: [masks/a.png, ./masks/b.png, notes/gone.txt]}
    script:
      actions:
        onRun: {command: bash, args: ["-c", "ls {{Param.Source}} {{Task.RawParam.N}}"]}
`

test('links in a job’s folder are followed, and what tasks name by paths is sent', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-job-'))
  after(() => rmSync(folder, { recursive: true }))
  const at = (name: string): string => join(folder, name)
  for (const name of ['far/1.png', 'a.png', 'job/masks/b.png', 'job/masks/c.png']) {
    mkdirSync(dirname(at(name)), { recursive: true })
    writeFileSync(at(name), name)
  }
  symlinkSync(at('far'), at('job/pictures'))
  symlinkSync(at('a.png'), at('job/masks/a.png'))
  const submit = (text: string) => submitFile(at('job/turn.yaml'), text)
  const { err, exitCode, sent } = await submit(TEMPLATE)
  assert.equal(exitCode, 0, err)
  assert.deepEqual(sent, [['pictures/1.png', 'masks/a.png', 'masks/b.png']])
  // What a task reads has to be there.
  const reading = await submit(TEMPLATE.replace('Task.RawParam.N', 'Task.Param.N'))
  assert.deepEqual([reading.exitCode, reading.sent], [2, []])
  assert.match(reading.err, /There is no file .*notes\/gone\.txt, which .*turn\.yaml needs/)
  rmSync(at('far'), { recursive: true })
  const { err: said, sent: none } = await submit(TEMPLATE)
  assert.match(
    said,
    /job\/pictures, which .* needs, is neither a file nor a folder, or a link that leads nowhere/,
  )
  assert.deepEqual(none, [])
})

async function submitFile(file: string, text: string) {
  const tools = { ...createStubTools(), disk: resultDisk }
  const fetch = fetchFrom({ ...createStubNetwork().handlers, ...createStubJobs(STUB_NOW_MS).handlers })
  const files = { '/home/ada/.shoal/credentials.json': STUB_CREDENTIALS, [file]: text }
  const terminal = createStubTerminal({ fetch, files, parts: { jobTools: async () => tools } })
  return { ...(await terminal.run('job', 'submit', file, '--yes')), sent: tools.sent }
}
