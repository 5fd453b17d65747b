import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FollowedNode } from '#protocol/cell.ts'
import { decodeFrames, decodeJson } from '#protocol/frame.ts'
import { createNodeStandings } from './node-standings.ts'

test('a node that asked is told what keeps it from work, at first and once for each change', () => {
  const { standings, node, told, bar } = setup()
  bar({ code: 'unproven', message: 'It proves.' })
  assert.deepEqual(standings.admitted(node), { barred: { code: 'unproven', message: 'It proves.' } })
  standings.tell(node)
  assert.deepEqual(told(), [])
  bar(undefined)
  for (let times = 0; times < 2; times++) standings.tell(node)
  bar({ code: 'sick', message: 'Xid 79' })
  standings.tell(node)
  assert.deepEqual(told(), [{ barred: null }, { barred: { code: 'sick', message: 'Xid 79' } }])
})

test('one that did not ask is told nothing', () => {
  const { standings, node, told, bar } = setup()
  bar({ code: 'sick', message: 'Xid 79' })
  standings.tell(node)
  assert.deepEqual(told(), [])
})

function setup() {
  const known: { node: FollowedNode } = {
    node: {
      ...{ id: 'a', organisationId: 'o', publicKey: '', session: 1, isDrained: false, isBanned: false },
      models: [],
    },
  }
  const sent: Uint8Array[] = []
  const node = { nodeId: 'a', send: (message: Uint8Array) => void sent.push(message) }
  return {
    standings: createNodeStandings({ node: () => known.node }),
    node,
    told: () => sent.flatMap((message) => decodeFrames(message).map(({ payload }) => decodeJson(payload))),
    bar(barred: FollowedNode['barred']) {
      const { barred: _, ...free } = known.node
      known.node = { ...free, ...(barred && { barred }) }
    },
  }
}
