import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { parseCatalogue } from '#economics/catalogue.ts'
import { readDataFiles } from './data-files.ts'

test('the shipped files hold every GPU, place and network that they are said to', () => {
  const { gpus, places, networks } = parseCatalogue(readDataFiles())
  assert.deepEqual([gpus.length, places.length], [86, 153])
  const ids = ['akash', 'gensyn', 'ionet', 'nexus', 'nosana', 'render', 'salad', 'shoal', 'vast']
  assert.deepEqual(networks.map(({ id }) => id).sort(), ids)
})

test('55 places have no price for households, and say so instead of having one', () => {
  const { places } = parseCatalogue(readDataFiles())
  assert.equal(places.filter((place) => place.residential_usd_kwh === null).length, 55)
})

test('every value that a source is named for has that source', () => {
  const { gpus, places, networks, sources } = parseCatalogue(readDataFiles())
  for (const gpu of gpus) {
    const named = [...Object.values(gpu.sources), ...gpu.used_prices, ...gpu.rental_usd_per_hour]
    for (const item of named) {
      const id = typeof item === 'string' ? item : item.source
      assert.ok(sources.gpus[id], `${gpu.id}: ${id}`)
    }
  }
  for (const { code, observations } of places) {
    for (const { source } of observations) assert.ok(sources.electricity[source], `${code}: ${source}`)
  }
  for (const network of networks) {
    for (const id of network.sources) assert.ok(sources.networks[id], `${network.id}: ${id}`)
  }
})

test('a folder without the files, and a file that is not JSON, are said', (t) => {
  const folder = setup(t)
  assert.throws(() => readDataFiles(folder), { code: 'config_invalid', message: /gpus\.json cannot be read/ })
  writeFileSync(new URL('gpus.json', folder), '{')
  assert.throws(() => readDataFiles(folder), { code: 'config_invalid', message: /gpus\.json is not JSON/ })
})

test('a file of another shape is refused by the name of its field', () => {
  const files = readDataFiles()
  const broken = { ...(files.gpus as object), gpus: [{ id: 'x' }] }
  assert.throws(() => parseCatalogue({ ...files, gpus: broken }), {
    code: 'config_invalid',
    message: /`gpus\[0\]\.vendor` in gpus\.json/,
  })
})

function setup(t: TestContext): URL {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-data-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return pathToFileURL(`${folder}/`)
}
