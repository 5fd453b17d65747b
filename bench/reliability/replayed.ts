/** What a replay came to: what the network answered to it, and what it changed of readings and statements. */
import { decodeFrames, FrameType } from '#protocol/frame.ts'
import type { UsageLine } from '#protocol/usage-page.ts'
import { type Check, none } from './scenario.ts'

/** What a connection that said again what another had said was answered at the agents' door. */
export interface Answered {
  /** It was asked who it is: what was said came as far as the door. */
  readonly isAsked: boolean
  /** What it said was judged, and it was shown out. */
  readonly isRefused: boolean
  readonly isAdmitted: boolean
}

const HEAD_END = '\r\n\r\n'
const [BINARY, CLOSE] = [2, 8]
/** Close codes of the door for a hello that it has read: refused, and one of too many to tell each why. */
const SHOWN_OUT = [1008, 1013]

/** Reads all that a connection heard, from its first byte: an answer of HTTP, and frames of a WebSocket behind a `101`. */
export function readAnswers(heard: Buffer): Answered {
  const head = heard.indexOf(HEAD_END)
  const isSocket = head !== -1 && heard.subarray(0, 13).toString('latin1') === 'HTTP/1.1 101 '
  const messages = isSocket ? readMessages(heard.subarray(head + HEAD_END.length)) : []
  const types = messages
    .filter(({ opcode }) => opcode === BINARY)
    .flatMap(({ payload }) => decodeFrames(payload).map(({ type }) => type))
  const isClosed = messages.some(
    ({ opcode, payload }) =>
      opcode === CLOSE && payload.length >= 2 && SHOWN_OUT.includes(payload.readUInt16BE()),
  )
  return {
    isAsked: types.includes(FrameType.challenge),
    isRefused: types.includes(FrameType.deny) || isClosed,
    isAdmitted: types.includes(FrameType.admit),
  }
}

/** A replay that never reached the door shows nothing of it. */
export function judgeAnswers(answers: readonly Answered[]): Check[] {
  const refused = answers.filter(({ isRefused }) => isRefused).length
  return [
    none('replayed connections that were admitted', answers.filter(({ isAdmitted }) => isAdmitted).length),
    {
      what: 'greetings said again that the door judged and refused',
      found: refused.toLocaleString('en'),
      pass: 'some',
      isPassed: refused > 0,
    },
  ]
}

/** Of a server: unmasked, and each whole in one frame. One that was cut short at the end is left out. */
function readMessages(bytes: Buffer): { opcode: number; payload: Buffer }[] {
  const messages: { opcode: number; payload: Buffer }[] = []
  for (let at = 0; at + 2 <= bytes.length; ) {
    const short = (bytes[at + 1] ?? 0) & 0x7f
    const headBytes = short === 127 ? 10 : short === 126 ? 4 : 2
    if (at + headBytes > bytes.length) break
    const length =
      short === 127
        ? Number(bytes.readBigUInt64BE(at + 2))
        : short === 126
          ? bytes.readUInt16BE(at + 2)
          : short
    const start = at + headBytes
    if (start + length > bytes.length) break
    messages.push({ opcode: (bytes[at] ?? 0) & 0x0f, payload: bytes.subarray(start, start + length) })
    at = start + length
  }
  return messages
}

/** How many requests have another reading than before, or have one before or after alone. */
export function countChanged(before: readonly UsageLine[], after: readonly UsageLine[]): number {
  const [old, now] = [before, after].map(
    (lines) => new Map(lines.map((line) => [line.requestId, textOf(line)])),
  )
  const ids = new Set([...before, ...after].map(({ requestId }) => requestId))
  const changed = [...ids].filter((id) => old?.get(id) !== now?.get(id)).length
  // The same request twice has one place in a map.
  const repeated = after.length - (now?.size ?? 0) - (before.length - (old?.size ?? 0))
  return changed + Math.max(0, repeated)
}

const textOf = (line: UsageLine): string =>
  JSON.stringify(line, (_, value) => (typeof value === 'bigint' ? `${value}` : value))

/** Of `ids`, how many do not stand in a statement exactly once, with `amount`. */
export function countNotOnce(
  lines: readonly { readonly transferId: string; readonly amount: bigint }[],
  { ids, amount }: { ids: readonly string[]; amount: bigint },
): number {
  const found = Map.groupBy(lines, ({ transferId }) => transferId)
  return ids.filter((id) => {
    const some = found.get(id) ?? []
    return some.length !== 1 || some[0]?.amount !== amount
  }).length
}
