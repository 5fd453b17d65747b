import assert from 'node:assert/strict'
import { test } from 'node:test'
import { askForQuote, type QuoteAsked } from './ask-quote.ts'

test('a network without a node is waited for ten minutes, and busy nodes for as long as they are there', async () => {
  const busy = setup({ nodes: 2, looks: 5_000 })
  assert.equal((await busy.ask()).status, 'ready')
  const alone = setup({ nodes: 0, looks: 5_000 })
  await assert.rejects(alone.ask(), {
    code: 'no_node_available',
    message: 'There is no quote yet: nobody is there. Try again when a node is there.',
  })
  assert.equal(alone.looked(), 1_200)
})

test('a wait that nothing ends has an end, which names no node that would be missing', async () => {
  await assert.rejects(setup({ nodes: 2, looks: Number.POSITIVE_INFINITY }).ask(), {
    message: /Try again when its nodes are less busy\.$/,
  })
})

function setup({ nodes, looks }: { nodes: number; looks: number }) {
  let looked = 0
  const quote = () => ({
    ...{ quoteId: 'q', nodes, previews: [], reason: 'nobody is there.' },
    status: looked < looks ? 'measuring' : 'ready',
  })
  const parts = {
    session: {
      context: { sleep: async () => undefined, stderr: { write: () => true } },
      signal: new AbortController().signal,
    },
    jobs: {
      askQuote: async () => quote(),
      getQuote: async () => {
        looked++
        return quote()
      },
    },
    lines: { isLive: false, draw: () => undefined, clear: () => undefined },
  } as unknown as QuoteAsked
  const body = { name: 'shot', tier: 'priority' as const, isIdempotent: true, steps: [] }
  return { ask: () => askForQuote(parts, body), looked: () => looked }
}
