/** The agents' WebSocket as bytes: broken frames of the wire, broken frames of the protocol, from strangers and from an enrolled node. */
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import type { KeyPair } from '#host/host.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import type { Random } from '#kernel/random.ts'
import { helloText } from '#protocol/agent-link.ts'
import { PROTOCOL_WITH_TASKS } from '#protocol/agent-version.ts'
import { decodeFrames, encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import { mutateBytes, mutateJson, pick, randomBytes } from './mutate.ts'
import { complain, type Surface, type Verdict } from './surface.ts'

/** An enrolled node that nobody else connects as. */
export interface OwnNode {
  readonly nodeId: string
  readonly keys: KeyPair
}

const ANSWER_MS = 15_000
/** The first byte of an input: sent by a stranger in place of its hello, or by a node that was admitted. */
const STRANGER = 0
const ADMITTED = 1

export function linkSurface(port: number, nodes: readonly OwnNode[]): Surface {
  const recorded = recordedMessages()
  const idle = [...nodes]
  let session = Date.now()
  return {
    name: 'websocket',
    next(random) {
      const from = random.chance(1, 2) ? ADMITTED : STRANGER
      return Buffer.concat([Buffer.from([from]), drawBytes(random, recorded)])
    },
    nextGood() {
      const said = recorded.filter(([type]) => type === FrameType.capability || type === FrameType.heartbeat)
      const frames = said.slice(0, 3).map((message) => wireFrame(plainRandom, message))
      const goodbye = wireFrame(plainRandom, Buffer.from([1000 >> 8, 1000 & 0xff]), { opcode: 8 })
      return Buffer.concat([Buffer.from([ADMITTED]), ...frames, goodbye])
    },
    async attempt(input) {
      // Two connections of one node would replace each other.
      const node = input[0] === ADMITTED ? idle.pop() : undefined
      try {
        return await converse(port, input.subarray(1), node && { ...node, session: ++session })
      } finally {
        if (node) idle.push(node)
      }
    },
  }
}

/** What agents said when they were recorded. */
function recordedMessages(): Buffer[] {
  return [1, 2, 4].flatMap((version) => {
    const path = join(import.meta.dirname, `../golden/agent-protocol/version-${version}.json`)
    const { connections } = JSON.parse(readFileSync(path, 'utf8')) as {
      connections: { from: string; hex: string }[][]
    }
    return connections.flat().flatMap(({ from, hex }) => (from === 'agent' ? [Buffer.from(hex, 'hex')] : []))
  })
}

function drawBytes(random: Random, recorded: readonly Buffer[]): Buffer {
  const message = pick(random, recorded)
  switch (random.int(6)) {
    case 0:
      return randomBytes(random, 1 + random.int(300))
    case 1:
      return mutateBytes(random, wireFrame(random, message))
    case 2:
      return Buffer.concat([
        wireFrame(random, message.subarray(0, message.length >> 1), { isFinal: false }),
        wireFrame(random, message.subarray(message.length >> 1), {
          opcode: pick(random, [0, 0, 2, 8, 9, 15]),
        }),
      ])
    case 3:
      return wireFrame(random, withHarmedJson(random, message))
    case 4:
      return wireFrame(random, mutateBytes(random, message), {
        opcode: random.chance(1, 8) ? random.int(16) : 2,
      })
    default:
      return wireFrame(random, message, {
        opcode: random.int(16),
        isMasked: random.chance(1, 2),
        reserved: random.int(8),
        announced: pick(random, [null, 0, 1, 0xffff, 9 * 2 ** 20, 2 ** 31, Number.MAX_SAFE_INTEGER]),
      })
  }
}

/** The first frame of the message with its JSON harmed; one without JSON gets some. */
function withHarmedJson(random: Random, message: Buffer): Buffer {
  const [frame] = decodeFrames(message)
  const payload = mutateJson(random, jsonOf(frame?.payload) ?? { capability: {}, askPerGpuHour: '1' })
  const head = Buffer.from(message.subarray(0, 12))
  head.writeUInt32BE(payload.length, 8)
  return Buffer.concat([head, payload])
}

function jsonOf(payload: Uint8Array | undefined): unknown {
  try {
    return payload && JSON.parse(Buffer.from(payload).toString())
  } catch {
    return undefined
  }
}

interface FrameShape {
  readonly opcode?: number
  readonly isFinal?: boolean
  readonly isMasked?: boolean
  readonly reserved?: number
  /** A length that is not the payload's. */
  readonly announced?: number | null
}

/** A frame of RFC 6455 §5.2. */
function wireFrame(random: Random, payload: Buffer, shape: FrameShape = {}): Buffer {
  const { opcode = 2, isFinal = true, isMasked = true, reserved = 0, announced = null } = shape
  const length = announced ?? payload.length
  const first = (isFinal ? 0x80 : 0) | (reserved << 4) | opcode
  const head = Buffer.alloc(length < 126 ? 2 : length < 0x10000 ? 4 : 10)
  head[0] = first
  head[1] = (isMasked ? 0x80 : 0) | (head.length === 2 ? length : head.length === 4 ? 126 : 127)
  if (head.length === 4) head.writeUInt16BE(length, 2)
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2)
  if (!isMasked) return Buffer.concat([head, payload])
  const mask = randomBytes(random, 4)
  return Buffer.concat([head, mask, payload.map((byte, index) => byte ^ (mask[index & 3] ?? 0))])
}

const plainRandom: Random = { int: () => 0, chance: () => false }

/** Upgrades, proves itself as `node` if there is one, sends `bytes` and half closes: the server has to end it, soon. */
function converse(
  port: number,
  bytes: Uint8Array,
  node: (OwnNode & { session: number }) | undefined,
): Promise<Verdict> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    let received: Buffer = Buffer.alloc(0)
    let step: 'upgrading' | 'challenged' | 'greeted' | 'sent' = 'upgrading'
    const settle = (verdict: Verdict): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(verdict)
    }
    const timer = setTimeout(() => settle(complain(`${step}, and no end within ${ANSWER_MS} ms`)), ANSWER_MS)
    const send = (): void => {
      step = 'sent'
      socket.end(bytes)
    }
    const advance = (): void => {
      if (step === 'upgrading') {
        const headEnd = received.indexOf('\r\n\r\n')
        if (headEnd === -1) return
        const head = received.toString('latin1', 0, headEnd)
        if (!head.startsWith('HTTP/1.1 101 ')) return settle(complain(`no upgrade: ${head.slice(0, 200)}`))
        received = received.subarray(headEnd + 4)
        step = 'challenged'
        if (!node) return send()
      }
      if (step === 'challenged' && node) {
        const frame = takeMessage()
        if (!frame) return
        step = 'greeted'
        socket.write(wireFrame(plainRandom, hello(node, frame)))
      }
      if (step === 'greeted') {
        const answer = takeMessage()
        if (!answer) return
        if (answer[0] !== FrameType.admit)
          return settle(complain(`not admitted: ${answer.toString('latin1', 12, 300)}`))
        send()
      }
    }
    const takeMessage = (): Buffer | null => {
      const [taken, rest] = splitMessage(received)
      received = rest
      return taken
    }
    socket.on('connect', () => socket.write(upgrade(port)))
    socket.on('data', (chunk) => {
      if (step === 'sent') {
        received = Buffer.concat([received, chunk]).subarray(0, 4_096)
        return
      }
      received = Buffer.concat([received, chunk])
      advance()
    })
    const over = (): void => {
      if (step === 'sent') settle(closeCode(received) === 1000 ? 'accepted' : 'refused')
      else settle(complain(`the server ended it while ${step}`))
    }
    socket.on('end', over)
    socket.on('close', over)
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return over()
      clearTimeout(timer)
      reject(error)
    })
  })
}

const upgrade = (port: number): string =>
  `GET /agent HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nconnection: upgrade\r\nupgrade: websocket\r\n` +
  'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n'

/** The first message of a server, which masks nothing and sends nothing this long in parts, and what is behind it. */
function splitMessage(bytes: Buffer): [Buffer | null, Buffer] {
  if (bytes.length < 2) return [null, bytes]
  const short = (bytes[1] ?? 0) & 0x7f
  const start = short === 126 ? 4 : 2
  if (bytes.length < start) return [null, bytes]
  const end = start + (short === 126 ? bytes.readUInt16BE(2) : short)
  if (bytes.length < end) return [null, bytes]
  const opcode = (bytes[0] ?? 0) & 0x0f
  // A ping is no message.
  if (opcode > 2) return splitMessage(bytes.subarray(end))
  return [bytes.subarray(start, end), bytes.subarray(end)]
}

/** Of the close frame with which `bytes` end, if they do. */
function closeCode(bytes: Buffer): number | null {
  const at = bytes.lastIndexOf(0x88)
  return at === -1 || at + 4 > bytes.length ? null : bytes.readUInt16BE(at + 2)
}

function hello({ nodeId, keys, session }: OwnNode & { session: number }, challenge: Buffer): Buffer {
  const { nonce, gatewayId } = JSON.parse(challenge.toString('utf8', 12)) as {
    nonce: string
    gatewayId: string
  }
  const text = new TextEncoder().encode(helloText({ nonce, gatewayId, nodeId, session }))
  const signature = Buffer.from(nodeCrypto.sign(keys.privateKeyHex, text)).toString('hex')
  const said = { protocol: PROTOCOL_WITH_TASKS, nodeId, session, signature, agentVersion: 'fuzz' }
  return Buffer.from(encodeJsonFrame(FrameType.hello, 0, said))
}
