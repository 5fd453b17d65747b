/** What an agent that signs nothing does with the receipts that a gateway shows it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PROTOCOL_WITH_EVIDENCE } from '#protocol/agent-version.ts'
import { type Frame, FrameType } from '#protocol/frame.ts'
import { simCrypto } from '#sim/sim-host.ts'
import { createTestWorld } from '#sim/test-world.ts'
import { openReceiptBook } from './receipt-book.ts'
import { createReceiptLink } from './receipt-link.ts'

const NETWORK_KEY = 'a'.repeat(64)

test('receipts that are shown to an agent without a book are left unanswered, and its requests go on', () => {
  const { open, heard, sent } = setup({ hasBook: false })
  const streams = open(PROTOCOL_WITH_EVIDENCE, NETWORK_KEY)
  streams.receive(frame(FrameType.receipts))
  streams.receive(frame(FrameType.cancel))
  assert.deepEqual([heard, sent], [[FrameType.cancel], []])
})

test('so it is with a book, where the network proved no key to sign for', () => {
  const { open, heard, sent } = setup({ hasBook: true })
  open(PROTOCOL_WITH_EVIDENCE, null).receive(frame(FrameType.receipts))
  assert.deepEqual([heard, sent], [[], []])
})

test('on a version without receipts they are a frame like any that agents do not take', () => {
  const { open, heard } = setup({ hasBook: false })
  open(PROTOCOL_WITH_EVIDENCE - 1, NETWORK_KEY).receive(frame(FrameType.receipts))
  assert.deepEqual(heard, [FrameType.receipts])
})

const frame = (type: FrameType): Frame => ({ type, flags: 0, stream: 0, payload: new Uint8Array() })

function setup({ hasBook }: { hasBook: boolean }) {
  const { host } = createTestWorld().machine('agent')
  const keys = simCrypto.keyPair(new Uint8Array(32).fill(1))
  const book = hasBook ? openReceiptBook(host) : undefined
  const receipts = createReceiptLink(host, { nodeId: 'node', keys, book })
  const heard: number[] = []
  const sent: Uint8Array[] = []
  const streams = {
    receive: ({ type }: Frame) => void heard.push(type),
    count: () => 0,
    onIdle: () => {},
    close: () => {},
  }
  const link = {
    send: (message: Uint8Array) => void sent.push(message),
    bufferedBytes: () => 0,
    close: () => {},
  }
  return {
    heard,
    sent,
    open: (protocol: number, networkKey: string | null) =>
      receipts.open(streams, { link, protocol, session: 1, networkKey }),
  }
}
