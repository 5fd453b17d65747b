/** How a machine becomes a node: makes its key, enrols it once with a token, remembers who it is. */
import { z } from 'zod'
import type { Clock, Crypto, KeyPair, Log, Secrets } from '#host/host.ts'
import { backoffMs } from '#kernel/backoff.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { Random } from '#kernel/random.ts'
import { createClient, type Fetch } from '#protocol/client.ts'
import { type EnrolNode, enrolmentText } from '#protocol/enrolment.ts'
import { parseJoinToken } from '#protocol/join-token.ts'
import { Problem } from '#protocol/problem.ts'
import { routes } from '#protocol/routes.ts'
import { proveNetwork, unproved } from './prove-network.ts'

export interface Identity {
  readonly nodeId: string
  readonly keys: KeyPair
  /** Of the network's key, by which the node knows it; null where it joined by a token that had none. */
  readonly fingerprint: string | null
}

export interface EnrolOptions {
  readonly apiUrl: string
  /** Needed where this machine is not enrolled yet. */
  readonly token: string | null
  readonly name: string
  readonly askPerGpuHour: NanoUsd
  /** Aborting it ends the wait for a network that cannot be reached. */
  readonly signal: AbortSignal
  /** The network did not answer, and is asked again. */
  readonly onAway: (problem: Problem) => void
}

type EnrolHost = { clock: Clock; crypto: Crypto; log: Log; random: Random; secrets: Secrets; fetch: Fetch }

const KeptNode = z.object({
  nodeId: z.string(),
  apiUrl: z.string(),
  fingerprint: z.string().nullable().default(null),
})
const KEY = 'node-key'
const NODE = 'node'
const SEED_BYTES = 32
const BACKOFF = { delayMsMin: 200, delayMsMax: 10_000 }
/** About ten seconds: a network that starts up is waited for, a wrong address is told to whoever typed it. */
const ATTEMPTS_MAX = 7

/** The node's identity on this network; rejects with its problem when it refuses, or does not answer for a while. */
export async function enrol(host: EnrolHost, options: EnrolOptions): Promise<Identity> {
  const keys = keepKeys(host)
  const kept = readNode(host)
  const known = kept?.apiUrl === options.apiUrl ? kept : null
  if (known && options.token === null) {
    return { nodeId: known.nodeId, keys, fingerprint: known.fingerprint }
  }
  if (options.token === null) {
    throw new Problem(
      'join_refused',
      `This machine is not enrolled at ${options.apiUrl}. Get a token there with "shoal nodes token" and give it as --token.`,
    )
  }
  const { secret, fingerprint: given } = parseJoinToken(options.token)
  const fingerprint = given ?? known?.fingerprint ?? null
  const { apiUrl, signal } = options
  const client = createClient(routes, { baseUrl: apiUrl, fetch: host.fetch })
  if (fingerprint !== null) {
    const expected = { apiUrl, fingerprint, publicKey: keys.publicKeyHex, signal }
    const prove = (): Promise<void> => proveNetwork(host, client, expected)
    await askUntilAnswered(host, options, prove).catch((error: unknown) => {
      throw error instanceof Problem ? unproved(apiUrl, error) : error
    })
  }
  const enrolment = sign(host, keys, { ...options, token: secret })
  const nodeId = await askUntilAnswered(host, options, async () => {
    const node = await client.enrolNode({ body: enrolment }, { signal })
    return node.nodeId
  }).catch((error: unknown) => {
    // A token that was used up by this very node is no obstacle: the network knows the key.
    if (known && error instanceof Problem && error.code === 'join_refused') return known.nodeId
    throw error
  })
  host.secrets.write(NODE, JSON.stringify({ nodeId, apiUrl, fingerprint }))
  return { nodeId, keys, fingerprint }
}

/** Forgets which node this machine is, so that the next enrolment makes it a new one. The key stays. */
export const forgetNode = ({ secrets }: Pick<EnrolHost, 'secrets'>): void => secrets.write(NODE, '')

/** True when this machine has been enrolled at `apiUrl`. */
export const isEnrolled = (host: Pick<EnrolHost, 'secrets'>, apiUrl: string): boolean =>
  readNode(host)?.apiUrl === apiUrl

function keepKeys({ crypto, secrets }: EnrolHost): KeyPair {
  let seed = secrets.read(KEY)
  if (seed === null) {
    seed = Buffer.from(secrets.randomBytes(SEED_BYTES)).toString('hex')
    secrets.write(KEY, seed)
  }
  return crypto.keyPair(Buffer.from(seed, 'hex'))
}

function readNode({ secrets }: Pick<EnrolHost, 'secrets'>): z.output<typeof KeptNode> | null {
  const text = secrets.read(NODE)
  return text ? KeptNode.parse(JSON.parse(text)) : null
}

/** All that the node asks for, with its signature: nothing of it can be changed under way. */
function sign(
  { crypto }: EnrolHost,
  { publicKeyHex, privateKeyHex }: KeyPair,
  { token, name, askPerGpuHour }: EnrolOptions & { token: string },
): EnrolNode {
  const enrolment = { token, publicKey: publicKeyHex, name, askPerGpuHour }
  const text = new TextEncoder().encode(enrolmentText(enrolment))
  return { ...enrolment, signature: Buffer.from(crypto.sign(privateKeyHex, text)).toString('hex') }
}

async function askUntilAnswered<T>(
  { clock, log, random }: EnrolHost,
  { signal, onAway }: EnrolOptions,
  ask: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof Problem && error.retriable) || attempt === ATTEMPTS_MAX) throw error
      const delayMs = backoffMs(attempt - 1, BACKOFF, random)
      log.warn('agent.network_away', { message: error.message, retryMs: delayMs })
      onAway(error)
      await pause(clock, delayMs, signal)
    }
  }
}

const pause = (clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = clock.after(delayMs, resolve)
    signal.addEventListener(
      'abort',
      () => {
        timer.cancel()
        reject(signal.reason)
      },
      { once: true },
    )
  })
