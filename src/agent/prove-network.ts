/** Before a machine shows its token: is this the network that the token is for? */
import type { Crypto, Secrets } from '#host/host.ts'
import type { Client } from '#protocol/client.ts'
import { enrolProofText, fingerprintOf } from '#protocol/network-key.ts'
import { Problem } from '#protocol/problem.ts'

export interface ExpectedNetwork {
  readonly apiUrl: string
  /** Of the network's key, as the token has it. */
  readonly fingerprint: string
  /** This machine's own key. */
  readonly publicKey: string
  readonly signal: AbortSignal
}

const NONCE_BYTES = 32

/** Resolves when the network at `apiUrl` has proved its key; rejects with `join_refused` when another one answered. */
export async function proveNetwork(
  { crypto, secrets }: { readonly crypto: Crypto; readonly secrets: Pick<Secrets, 'randomBytes'> },
  client: Pick<Client, 'proveNetwork'>,
  expected: ExpectedNetwork,
): Promise<void> {
  const { apiUrl, fingerprint, publicKey, signal } = expected
  const nonce = Buffer.from(secrets.randomBytes(NONCE_BYTES)).toString('hex')
  const asked = { host: new URL(apiUrl).hostname, publicKey, nonce }
  const proof = await client.proveNetwork({ params: asked }, { signal })
  const found = fingerprintOf(crypto, proof.publicKey)
  if (found !== fingerprint) {
    throw refused(
      apiUrl,
      `is not the network of the token: the fingerprint of its key is ${found}, and the token has ${fingerprint}`,
    )
  }
  const text = new TextEncoder().encode(enrolProofText(asked))
  if (!crypto.verify(proof.publicKey, text, Buffer.from(proof.signature, 'hex')))
    throw refused(apiUrl, 'does not have the key of the network of the token: its proof is wrong')
}

/** Why the proof did not even come, for a machine that must not go on without it. */
export function unproved(apiUrl: string, problem: Problem): Problem {
  switch (problem.code) {
    case 'not_found':
    case 'method_not_allowed':
      return refused(apiUrl, 'cannot prove its key, as networks before release 0.2 could not')
    case 'invalid_request':
    case 'internal':
    case 'forbidden_origin':
      return refused(
        apiUrl,
        `did not prove that it is the network of the token: ${problem.message.replace(/\.$/, '')}`,
      )
    default:
      return problem
  }
}

const refused = (apiUrl: string, what: string): Problem =>
  new Problem(
    'join_refused',
    `What answers at ${apiUrl} ${what}. The token was not sent. Check the address, and ask the network's operator for a new token ("shoal nodes token").`,
  )
