import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readDataFiles } from '#host/node/data-files.ts'
import { Problem } from '#protocol/problem.ts'
import { typedBesides } from './roi-options.ts'
import { createStubTerminal, type StubTerminal } from './stub-context.ts'

test('the page is one file without a script that says what the report says', async () => {
  const { page, err } = await write('--gpu', 'RTX 4090', '--kwh', '0.12')
  assert.match(err, /Written: report\.html \(\d+ kB\)/)
  assert.match(page, /^<!doctype html>\n<html lang="en">/)
  assert.doesNotMatch(page, /<script|<link|src=|url\(|@import|https?:\/\/(?!www\.w3\.org)/)
  assert.equal(page.match(/<svg /g)?.length, 6)
  for (const part of [
    'Run the one you own?',
    'Buy one?',
    'Where?',
    'A mean day',
    'Where it breaks even',
    'What went in',
  ])
    assert.ok(page.includes(part), part)
  assert.match(page, /assumed, 2026-11-22: a home machine/)
  assert.match(page, /prefers-color-scheme:dark/)
  assert.match(page, /shoal roi --gpu &quot;RTX 4090&quot; --kwh 0\.12/)
  assert.doesNotMatch(page, /NaN|undefined|\bnull\b/)
  assert.ok(page.length < 150_000, `${page.length}`)
})

test('tags are closed in the order in which they were opened', async () => {
  const { page } = await write('--gpu', 'H100 SXM', '--country', 'US', '--purchase', '29200')
  const open: string[] = []
  for (const [, close, name = '', rest = ''] of page.matchAll(/<(\/?)([a-z0-9]+)([^>]*)>/g)) {
    if (['meta', 'rect', 'line', 'circle'].includes(name) || (name === 'path' && rest.endsWith('/'))) continue
    if (close === '') open.push(name)
    else assert.equal(open.pop(), name)
  }
  assert.deepEqual(open, [])
})

test('"the same again" is the same question, without the folders of whoever asked it', async () => {
  const tariff = JSON.stringify({
    ...{ kind: 'time_of_use', currency: 'USD', utc_offset_minutes: 0, periods: [], otherwise: 0.1 },
  })
  const files = {
    '/home/ada/private/t.json': tariff,
    '/home/ada/akt.csv': '2026-01-01,1\n2026-01-02,2\n2026-01-03,2',
  }
  const { page } = await write(
    ...['--gpu', '4090', '--tariff', '/home/ada/private/t.json', '--seed', '7', '--risk', 'low'],
    ...['--token-history', 'AKT=/home/ada/akt.csv'],
    { files },
  )
  const [, command = ''] = /The same again: (?:<[^>]*>)*([^<]*)</.exec(page) ?? []
  assert.equal(
    command.replaceAll('&quot;', '"'),
    'shoal roi --gpu 4090 --tariff t.json --token-history "AKT=akt.csv" --risk low --seed 7',
  )
  assert.match(page, /tariff t\.json/)
  assert.doesNotMatch(page, /home\/ada/)
})

test('of an address neither a name nor what follows its path is handed on', () => {
  const options = { seed: 1, risk: 'medium', historyDays: 3, live: true } as const
  assert.deepEqual(typedBesides({ ...options, tariff: 'https://ada:pw@example.net/p.json?key=k' }), [
    '--tariff "https://example.net/p.json"',
    '--live',
  ])
  assert.deepEqual(typedBesides({ ...options, node: 'agent', historyDays: 7, timeZone: 'Europe/Berlin' }), [
    '--time-zone "Europe/Berlin"',
    '--live',
    '--node agent',
    '--history-days 7',
  ])
})

test('without a result the page says what is missing, and draws nothing', async () => {
  const { page } = await write('--gpu', 'RTX 4090')
  assert.doesNotMatch(page, /<svg /)
  assert.match(page, /<h2>Not known<\/h2>/)
})

test('a token is drawn from the series that was given, and named by figures without one', async () => {
  const lines = Array.from(
    { length: 40 },
    (_, day) => `2026-01-${String(1 + (day % 28)).padStart(2, '0')},${1 + day}`,
  )
  const files = { '/home/ada/secret/akt.csv': lines.join('\n') }
  const { page } = await write(
    '--gpu',
    '4090',
    '--kwh',
    '0.1',
    '--token-history',
    'AKT=/home/ada/secret/akt.csv',
    { files },
  )
  assert.equal(page.match(/<svg /g)?.length, 7)
  assert.match(page, /AKT, in USD, from akt\.csv/)
  assert.doesNotMatch(page, /secret/, 'a report is handed on')
  assert.match(page, /Nosana: It pays a number of NOS.*proxy &quot;payout tokens of GPU networks&quot;/)
})

test('the picture is of the same report, and where no browser is there that is said', async () => {
  const taken: string[] = []
  const takePicture = async (html: string) => {
    taken.push(html)
    return new Uint8Array([137, 80, 78, 71])
  }
  const { run, files } = terminal({ parts: { browser: { takePicture } } })
  assert.equal((await run('roi', '--gpu', '4090', '--kwh', '0.12', '--png', 'report.png')).exitCode, 0)
  assert.deepEqual(files.get('report.png'), new Uint8Array([137, 80, 78, 71]))
  assert.doesNotMatch(taken[0] ?? '', /<details|<script/)
  const none = new Problem('not_supported', 'A picture needs Chromium.')
  const without = terminal({ parts: { browser: { takePicture: () => Promise.reject(none) } } })
  const { exitCode, err, out } = await without.run(
    'roi',
    '--gpu',
    '4090',
    '--kwh',
    '0.12',
    '--png',
    'report.png',
  )
  assert.deepEqual([exitCode, err], [1, 'shoal: A picture needs Chromium.\n'])
  assert.ok(out.length > 0, 'the report itself is there')
})

async function write(...words: (string | Partial<StubTerminal>)[]) {
  const options = words.filter((word) => typeof word === 'string')
  const [parts = {}] = words.filter((word) => typeof word !== 'string')
  const { run, files } = terminal(parts)
  const { err, exitCode } = await run('roi', ...options, '--html', 'report.html')
  assert.equal(exitCode, 0, err)
  return { page: String(files.get('report.html')), err }
}

const terminal = (parts: Partial<StubTerminal>) =>
  createStubTerminal({
    fetch: () => assert.fail('nothing is asked of a network'),
    dataFiles: readDataFiles,
    ...parts,
  })
