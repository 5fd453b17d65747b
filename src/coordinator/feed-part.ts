/** Everything that gateways copy, in parts that a bus takes as one message: a stock NATS server's limit is 1 MB. */
import { FollowedKey, FollowedNode, type FollowReply } from '#protocol/cell.ts'
import { jsonWriter } from '#protocol/wire-form.ts'

/** Of the nodes and keys in one answer; the catalogue of models comes on top. */
export const PART_BYTES = 256 * 1024
/** So few changes are one answer in any case. */
const CHANGES_FEW = 32

export type Told = Pick<FollowReply, 'nodes' | 'keys' | 'next'>

/** What gateways are told of a node and of a key; nothing where there is none. */
export interface Tellers {
  node(id: string): readonly FollowedNode[]
  key(id: string): readonly FollowedKey[]
}

const writeNode = jsonWriter(FollowedNode)
const writeKey = jsonWriter(FollowedKey)
const bytesOfNode = (node: FollowedNode): number => Buffer.byteLength(writeNode(node))
const bytesOfKey = (key: FollowedKey): number => Buffer.byteLength(writeKey(key))

export function isLong({ nodes, keys }: Told): boolean {
  if (nodes.length + keys.length <= CHANGES_FEW) return false
  let bytes = 0
  for (const node of nodes) bytes += bytesOfNode(node)
  for (const key of keys) bytes += bytesOfKey(key)
  return bytes > PART_BYTES
}

/**
 * The part behind `from`, which is empty for the first, in the order of names: what comes or goes between two parts moves
 * nothing else from one to the other.
 */
export function partFrom(
  from: string,
  all: { readonly nodeIds: Iterable<string>; readonly keyIds: Iterable<string> },
  tell: Tellers,
): Told {
  const names: string[] = []
  for (const id of all.keyIds) if (`${KEY}${id}` > from) names.push(`${KEY}${id}`)
  for (const id of all.nodeIds) if (`${NODE}${id}` > from) names.push(`${NODE}${id}`)
  names.sort()
  const nodes: FollowedNode[] = []
  const keys: FollowedKey[] = []
  let bytes = 0
  for (const [index, name] of names.entries()) {
    if (name.startsWith(KEY)) {
      for (const key of tell.key(name.slice(KEY.length))) {
        bytes += bytesOfKey(key)
        keys.push(key)
      }
    } else {
      for (const node of tell.node(name.slice(NODE.length))) {
        bytes += bytesOfNode(node)
        nodes.push(node)
      }
    }
    if (bytes > PART_BYTES && index < names.length - 1) return { nodes, keys, next: name }
  }
  return { nodes, keys }
}
const KEY = 'key '
const NODE = 'node '
