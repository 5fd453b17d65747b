import type { FollowReply } from '#protocol/cell.ts'

/** Puts together what is too long for one message: a part of everything is no directory. */
export interface DirectoryParts {
  /** Behind what the next part begins; empty for the first. */
  from(): string
  /** All of it with its last part, or what was no part; null while more is to be asked for. */
  add(reply: FollowReply): FollowReply | null
}

export function collectParts(): DirectoryParts {
  let parts: FollowReply[] = []
  return {
    from: () => parts.at(-1)?.next ?? '',
    add(reply) {
      const [first] = parts
      // Another leads: this is a part of its own everything, or all of it; asked anew it tells from the beginning.
      if (first && first.epoch !== reply.epoch) {
        parts = []
        return null
      }
      if (!first && reply.next === undefined) return reply
      parts.push(reply)
      if (reply.next !== undefined) return null
      const whole = wholeOf(parts)
      parts = []
      return whole
    },
  }
}

/** As of its first part: what changed since then is asked for next, whatever of it the later parts had. */
function wholeOf(parts: readonly FollowReply[]): FollowReply | null {
  const [first, last] = [parts[0], parts.at(-1)]
  if (!first || !last) return null
  return {
    ...last,
    version: first.version,
    ...(first.models && { models: first.models }),
    nodes: parts.flatMap(({ nodes }) => nodes),
    keys: parts.flatMap(({ keys }) => keys),
  }
}
