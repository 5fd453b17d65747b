/**
 * The secret under which API keys are hashed: made once, with the network. The journal knows what tells it from another
 * one, so that a process with another one is told so at once, and not by every caller in turn.
 */
import type { Coordinator } from '#coordinator/coordinator.ts'
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

export interface KeySecret {
  readonly text: string
  /** It was made just now: no key of before opens anything. */
  readonly isNew: boolean
}

/**
 * The secret of the network whose state this is, made where there is none: with the network, or after it was lost. Throws
 * `Problem('config_invalid')` for another one.
 */
export function keepKeySecret({ crypto, secrets }: Keeper, { organisations }: CoordinatorState): KeySecret {
  const kept = secrets.read(NAME)
  if (kept !== null) {
    checkKeySecret(kept, { crypto }, { organisations })
    return { text: kept, isNew: false }
  }
  const text = base32(secrets.randomBytes(KEY_SECRET_BYTES))
  secrets.write(NAME, text)
  return { text, isNew: true }
}

/** Lets the journal know it, also that of a network which was founded before any did. Resolves when that is durable. */
export function noteKeySecret(
  coordinator: Pick<Coordinator, 'execute'>,
  { crypto }: Pick<Keeper, 'crypto'>,
  { text, isNew }: KeySecret,
): Promise<void> {
  const check = keySecretCheck(crypto, text)
  return new Promise((resolve, reject) =>
    coordinator.execute(
      (turn) => turn.organisations({ kind: 'note_key_secret', check, isNew, nowMs: turn.nowMs }),
      (refusal) => (refusal === null ? resolve() : reject(otherSecret())),
    ),
  )
}

/** As the network has it: who joins a network cannot make one up. */
export function needKeySecret({ secrets }: Pick<Keeper, 'secrets'>): string {
  const kept = secrets.read(NAME)
  if (kept !== null) return kept
  throw new Problem(
    'config_invalid',
    'The network’s secret, under which API keys are hashed, is not on this machine. Give the folder of secrets of the coordinator that founded the network with --secrets, or a copy of it.',
  )
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
