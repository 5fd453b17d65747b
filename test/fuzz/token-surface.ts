/** Keys, invitations and enrolment tokens that are nearly right: none may ever open anything. */
import { createHash } from 'node:crypto'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import type { Random } from '#kernel/random.ts'
import { enrolmentText } from '#protocol/enrolment.ts'
import { parseJoinToken, secretOf } from '#protocol/join-token.ts'
import { Problem } from '#protocol/problem.ts'
import { judge } from './http-surfaces.ts'
import { pick } from './mutate.ts'
import { sendRaw } from './raw-http.ts'
import { complain, type Surface, type Verdict } from './surface.ts'

/** Live secrets of the network. */
export interface LiveSecrets {
  readonly key: string
  readonly joinToken: string
  readonly invitation: string
}

/** What is done to a secret, whichever it is: so an input means the same on every network. */
interface Edit {
  readonly at: number
  readonly remove: number
  readonly insert: string
}
interface Input {
  readonly secret: keyof LiveSecrets
  readonly edits: readonly Edit[]
}

const INSERTS = [
  '',
  'a',
  '0',
  'o',
  'O',
  'l',
  'I',
  'Z',
  '-',
  '_',
  '.',
  ' ',
  '%00',
  '\\u0000',
  '*',
  '%',
  '"',
  'á',
  'aaaaaaaaaaaaaaaa',
]
const LIMIT_MS = 15_000

export const tokenSurface = (port: number, secrets: LiveSecrets): Surface => ({
  name: 'tokens',
  next(random) {
    const secret = pick(random, ['key', 'key', 'joinToken', 'invitation'] as const)
    const edits = Array.from({ length: 1 + random.int(2) }, () => drawEdit(random))
    return Buffer.from(JSON.stringify({ secret, edits } satisfies Input))
  },
  nextGood: () => Buffer.from(JSON.stringify({ secret: 'key', edits: [] } satisfies Input)),
  attempt(input) {
    const { secret, edits } = JSON.parse(input.toString()) as Input
    const live = secret === 'joinToken' ? secretOf(secrets.joinToken) : secrets[secret]
    const harmed = edits.reduce(edited, live)
    if (edits.length === 0) return attemptSecret(port, secret, live).then(() => 'accepted')
    // White space around a header's value is no part of it, nor is the fingerprint a part of what enrols.
    if (harmed.trim() === live || (secret === 'joinToken' && secretOf(harmed) === live)) return 'held'
    if (secret === 'joinToken' && !isReadable(edits.reduce(edited, secrets.joinToken))) {
      return complain('a join token is refused with something else than a problem')
    }
    return attemptSecret(port, secret, harmed)
  },
})

const drawEdit = (random: Random): Edit => ({
  at: random.int(64),
  remove: random.chance(1, 10) ? 64 : random.int(3),
  insert: pick(random, INSERTS),
})

const edited = (text: string, { at, remove, insert }: Edit): string => {
  const from = at % (text.length + 1)
  return text.slice(0, from) + insert + text.slice(from + remove)
}

function isReadable(token: string): boolean {
  try {
    parseJoinToken(token)
    return true
  } catch (error) {
    return error instanceof Problem
  }
}

async function attemptSecret(port: number, secret: Input['secret'], harmed: string): Promise<Verdict> {
  const bytes =
    secret === 'key'
      ? call('GET /api/key', `authorization: Bearer ${harmed}\r\n`, '')
      : secret === 'joinToken'
        ? call('POST /api/nodes', '', JSON.stringify(enrolment(harmed)))
        : call('POST /api/invitations/accept', '', JSON.stringify({ invitation: harmed }))
  const answer = await sendRaw(port, bytes, { isEnded: false, limitMs: LIMIT_MS })
  const verdict = judge(answer, { isWork: false, isHttp: true })
  return verdict === 'accepted' ? complain(`a harmed ${secret} was accepted`) : verdict
}

function call(what: string, headers: string, body: string): Buffer {
  const length = Buffer.byteLength(body)
  return Buffer.from(
    `${what} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n${headers}content-length: ${length}\r\n\r\n${body}`,
  )
}

/** Signed as it should be: the token alone is wrong. */
function enrolment(token: string): object {
  const { publicKeyHex: publicKey, privateKeyHex } = nodeCrypto.keyPair(
    createHash('sha256').update(token).digest(),
  )
  const facts = { token, publicKey, name: 'fuzz', askPerGpuHour: 1n }
  const signature = nodeCrypto.sign(privateKeyHex, new TextEncoder().encode(enrolmentText(facts)))
  return { ...facts, askPerGpuHour: '1', signature: Buffer.from(signature).toString('hex') }
}
