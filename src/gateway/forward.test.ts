import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createForwarder, FORWARDED, type Hop, type WorkerPorts } from './forward.ts'
import { RecordedExchange } from './test-recorded-exchange.ts'

test('a worker believes only those that know what the workers of its machine know', () => {
  const forwarder = createForwarder(noPorts, 'secret')
  for (const hop of ['keyed', 'final', 'counted'] as const) {
    assert.equal(forwarder.hopOf({ headers: { [FORWARDED]: `${hop} secret` } }), hop)
    assert.equal(forwarder.hopOf({ headers: { [FORWARDED]: hop } }), null)
    assert.equal(forwarder.hopOf({ headers: { [FORWARDED]: `${hop} guess` } }), null)
  }
  assert.equal(forwarder.hopOf({ headers: { [FORWARDED]: 'other secret' } }), null)
  assert.equal(forwarder.hopOf({ headers: {} }), null)
})

test('a call goes on with how it goes and its key of replies, which its keeper has used up', () => {
  const sent: Readonly<Record<string, string>>[] = []
  const openUpstream = (): ReturnType<WorkerPorts['openUpstream']> => ({
    request(call) {
      sent.push(call.headers)
      return { abort() {}, pause() {}, resume() {} }
    },
    close: async () => {},
  })
  const forwarder = createForwarder({ openUpstream }, 'secret')
  const headers = { 'idempotency-key': 'k', [FORWARDED]: 'counted guess', 'x-other': 'o' }
  for (const hop of ['keyed', 'final', 'counted'] satisfies Hop[]) {
    const to = { gatewayId: 'b', url: 'http://127.0.0.1:1' }
    const call = { to, hop, body: new Uint8Array(), isStream: false }
    forwarder.forward(new RecordedExchange({ headers }), call, () => undefined)
  }
  assert.deepEqual(sent, [
    { 'idempotency-key': 'k', [FORWARDED]: 'keyed secret' },
    { [FORWARDED]: 'final secret' },
    { [FORWARDED]: 'counted secret' },
  ])
})

const noPorts: WorkerPorts = { openUpstream: () => assert.fail('nothing is sent') }
