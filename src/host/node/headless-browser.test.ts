import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { createHeadlessBrowser } from './headless-browser.ts'
import { createNodeMachine } from './node-machine.ts'

const machine = createNodeMachine()
const isRoot = process.getuid?.() === 0
const isThere = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].some(existsSync)

test('a page is pictured whole, twice as fine, and nothing stays behind', {
  skip: !isThere && 'no Chromium',
}, async () => {
  const before = leftovers()
  const { takePicture } = createHeadlessBrowser({ machine, isRoot, program: undefined })
  const html =
    '<!doctype html><body style="margin:0"><div style="height:1700px;background:#fc0"></div></body>'
  const png = Buffer.from(await takePicture(html, { widthPx: 600 }))
  assert.equal(png.subarray(1, 4).toString(), 'PNG')
  assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [1_200, 3_400])
  assert.deepEqual(leftovers(), before)
})

test('without a browser it is said what to do', async () => {
  const none = { run: async () => 'not_found' as const, facts: machine.facts }
  const at = (program: string | undefined) =>
    createHeadlessBrowser({ machine: none, isRoot, program }).takePicture('<body></body>', { widthPx: 600 })
  await assert.rejects(at(undefined), { code: 'not_supported', message: /needs Chromium or Chrome.*--html/ })
  await assert.rejects(at('/opt/chrome'), {
    code: 'not_supported',
    message: /CHROME_PATH names \/opt\/chrome/,
  })
})

test('a browser that fails is quoted', async () => {
  const broken = { run: async () => ({ code: 1, stdout: '', stderr: 'no display\n' }), facts: machine.facts }
  const { takePicture } = createHeadlessBrowser({ machine: broken, isRoot, program: undefined })
  await assert.rejects(takePicture('<body></body>', { widthPx: 600 }), {
    code: 'unavailable',
    message: /code 1 and made no picture: no display/,
  })
})

const leftovers = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('shoal-picture-'))
