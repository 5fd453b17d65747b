import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AGENT_PROTOCOL } from '#protocol/agent-version.ts'
import { decodeFrames, decodeJson, encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import { createProofLink } from './proof-link.ts'
import type { KeptProof, ProofFailure } from './proof-solver.ts'

test('a device keeps one proof: what it kept for a coordinator that began anew is given free', () => {
  const { begin, finish, dropped, said } = setup()
  begin('one', 'card')
  finish('one')
  begin('other', 'cpu')
  finish('other')
  begin('two', 'card')
  assert.deepEqual(dropped, ['one'])
  finish('two')
  begin('two', 'card')
  assert.deepEqual(dropped, ['one'], 'a question that is said again is the same')
  assert.deepEqual(said(), ['able', 'begun', 'commit', 'begun', 'commit', 'begun', 'commit'])
})

test('what was still computed for a question that is forgotten is given free once it is done', () => {
  const { begin, finish, dropped, said } = setup()
  begin('one', 'card')
  begin('two', 'card')
  finish('one')
  assert.deepEqual(dropped, ['one'])
  finish('two')
  assert.deepEqual(said(), ['able', 'begun', 'begun', 'commit'])
})

function setup() {
  const dropped: string[] = []
  const solving = new Map<string, (result: KeptProof | ProofFailure) => void>()
  const sent: { kind: string }[] = []
  const link = {
    send(message: Uint8Array) {
      for (const frame of decodeFrames(message)) sent.push(decodeJson(frame.payload) as { kind: string })
    },
    close: () => undefined,
  }
  const streams = {
    receive: () => undefined,
    count: () => 0,
    onIdle: () => undefined,
    close: () => undefined,
  }
  const proofs = createProofLink({
    devices: ['cpu', 'card'].map((deviceId) => ({ deviceId, kind: 'cpu', name: deviceId, memoryMib: 0 })),
    solve: ({ challengeId }, done) => void solving.set(challengeId, done),
  }).open(
    streams,
    link as unknown as Parameters<ReturnType<typeof createProofLink>['open']>[1],
    AGENT_PROTOCOL.max,
  )
  return {
    dropped,
    said: () => sent.map(({ kind }) => kind),
    begin(challengeId: string, deviceId: string) {
      const size = { rows: 16, width: 8, rounds: 2 }
      const order = { kind: 'begin', challengeId, deviceId, seed: 'ab'.repeat(32), size }
      for (const frame of decodeFrames(encodeJsonFrame(FrameType.prove, 0, order))) proofs.receive(frame)
    },
    finish(challengeId: string) {
      const drop = (): void => void dropped.push(challengeId)
      solving.get(challengeId)?.({ roots: ['cd'.repeat(32)], open: () => undefined, drop })
    },
  }
}
