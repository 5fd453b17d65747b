import type { Crypto, KeyPair, Secrets } from '#host/host.ts'
import { Problem } from '#protocol/problem.ts'

const SECRET = 'network-key'
const SEED_BYTES = 32

/**
 * The network's own key, by which agents know it: made once, with the network. All processes of the network share it,
 * as they share its other secrets; whoever joins a network takes it from there and throws `config_invalid` without it.
 */
export function keepNetworkKey(
  { crypto, secrets }: { readonly crypto: Crypto; readonly secrets: Secrets },
  mayMake: boolean,
): KeyPair {
  let seed = secrets.read(SECRET)
  if (seed === null) {
    if (!mayMake) {
      throw new Problem(
        'config_invalid',
        'The network’s key is not among the secrets on this machine. Give the folder of secrets of the coordinator that founded the network with --secrets, or a copy of it.',
      )
    }
    seed = Buffer.from(secrets.randomBytes(SEED_BYTES)).toString('hex')
    secrets.write(SECRET, seed)
  }
  return crypto.keyPair(Buffer.from(seed, 'hex'))
}
