import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engineOf } from './engine-flags.ts'
import { hostingOf, ownEngine, parseMib } from './hosting-flags.ts'

test('a size has its unit', () => {
  for (const [text, mib] of [
    ['20GB', 19_073],
    ['20GiB', 20_480],
    ['512 mib', 512],
    ['1.5TiB', 1_572_864],
    ['500MB', 476],
  ] as const)
    assert.equal(parseMib(text), mib, text)
  for (const text of ['20', '20G', 'GB', '-1GB', '0GB', '1e3GB', '1KB', '', '9999999TiB'])
    assert.throws(() => parseMib(text), /Expected a size/, text)
})

const flags = {
  model: 'm.gguf',
  gpu: 'none',
  engineInstall: true,
  batch: true,
  batchDiscount: 0.5,
  cachedDiscount: 0,
} as const

test('without --models the network places nothing here', () => {
  assert.equal(hostingOf(flags, {}), null)
})

test('with --models the node serves a model of its own only where one is given', () => {
  const own = engineOf({ ...flags, upstream: 'http://x/v1' })
  const served = (more: object) => ownEngine(own, { ...flags, modelGiven: false, ...more }).kind
  assert.equal(served({}), 'openai')
  assert.equal(served({ models: 'auto' }), 'none')
  assert.equal(served({ models: 'auto', modelGiven: true }), 'openai')
  assert.equal(served({ models: ['a'], upstream: 'http://x' }), 'openai')
})

test('the hub is the one that is given, or the environment’s, or the public one', () => {
  const hub = (more: object, env: Record<string, string>) =>
    hostingOf({ ...flags, models: 'auto', ...more }, env)?.hubUrl
  assert.equal(hub({}, {}), 'https://huggingface.co')
  assert.equal(hub({}, { HF_ENDPOINT: 'http://mirror.lan' }), 'http://mirror.lan')
  assert.equal(hub({}, { HF_ENDPOINT: 'nonsense' }), 'https://huggingface.co')
  assert.equal(
    hub({ modelHub: 'http://other.lan' }, { HF_ENDPOINT: 'http://mirror.lan' }),
    'http://other.lan',
  )
})
