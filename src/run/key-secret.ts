/**
 * The secret under which API keys are hashed: made once, with the network. The journal knows what tells it from another
 * one, so that a process with another one is told so at once, and not by every caller in turn.
 */
import type { CoordinatorState } from '#coordinator/coordinator-state.ts'
import type { Crypto, Secrets } from '#host/host.ts'
import { keySecretCheck, otherSecret } from '#host/key-secret.ts'
import { base32 } from '#kernel/id.ts'
import { Problem } from '#protocol/problem.ts'

const NAME = 'key-secret'
const KEY_SECRET_BYTES = 32

interface Keeper {
  readonly crypto: Pick<Crypto, 'hmacSha256'>
  readonly secrets: Secrets
}

/**
 * The secret of the network whose state this is, made where there is none yet. Throws `Problem('config_invalid')` for
 * another one, and where it is gone: one that was made anew would shut every key out.
 */
export function keepKeySecret({ crypto, secrets }: Keeper, { organisations }: CoordinatorState): string {
  const kept = secrets.read(NAME)
  if (kept === null && organisations.keySecretCheck !== null) throw secretMissing()
  const secret = kept ?? base32(secrets.randomBytes(KEY_SECRET_BYTES))
  if (kept === null) secrets.write(NAME, secret)
  else checkKeySecret(kept, { crypto }, { organisations })
  return secret
}

/** As the network has it: who joins a network cannot make one up. */
export function needKeySecret({ secrets }: Pick<Keeper, 'secrets'>): string {
  const kept = secrets.read(NAME)
  if (kept !== null) return kept
  throw secretMissing()
}

/** Throws `Problem('config_invalid')` for a secret that is not the one of the network whose state this is. */
export function checkKeySecret(
  secret: string,
  { crypto }: Pick<Keeper, 'crypto'>,
  { organisations }: Pick<CoordinatorState, 'organisations'>,
): void {
  const known = organisations.keySecretCheck
  if (known !== null && keySecretCheck(crypto, secret) !== known) throw otherSecret()
}

const secretMissing = (): Problem =>
  new Problem(
    'config_invalid',
    'The network’s secret, under which API keys are hashed, is not on this machine. Give the folder of secrets of the coordinator that founded the network with --secrets, or a copy of it.',
  )
