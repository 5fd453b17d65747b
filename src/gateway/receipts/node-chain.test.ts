import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '#host/digest-of.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { NodeChain } from './node-chain.ts'

test('receipts of a node that never signs are kept up to a bound, and those that are left still link', () => {
  const chain = newChain()
  for (let fence = 1; fence <= 5_000; fence++) add(chain, fence)
  assert.equal(chain.waiting, 4_096)
  let before: string | null = null
  let number = 5_000 - 4_096
  for (let run = chain.take(); run !== null; run = chain.take()) {
    assert.equal(run.from, number + 1)
    if (before !== null) assert.equal(run.before, before)
    ;[before, number] = [run.hash, run.number]
  }
  assert.equal(number, 5_000)
  assert.equal(chain.waiting, 0)
})

const newChain = (): NodeChain =>
  new NodeChain(
    { digest: digestOf(nodeCrypto), secretOf: () => 'secret' },
    {
      of: 'tasks',
      network: 'ab'.repeat(32),
      node: 'node_1',
      nodeKey: 'cd'.repeat(32),
      gateway: 'gateway_1',
      session: 1,
      nonce: 'ef'.repeat(16),
      previous: null,
    },
  )

const add = (chain: NodeChain, fence: number) =>
  chain.add(
    {
      ...{ kind: 'task', node: 'node_1', job: 'job_1', step: 0, task: 0, fence, files: 1, outputBytes: 1 },
      ...{ wallMs: 1, output: 'a'.repeat(43), atMs: 1 },
    },
    'org_1',
  )
