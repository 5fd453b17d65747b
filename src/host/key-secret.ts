/** Telling the network's secret, under which API keys are hashed, from another one. */
import { Problem } from '#protocol/problem.ts'
import type { Crypto } from './host.ts'

/** Half of an HMAC is plenty to tell two secrets apart. */
const CHECK_HEX_LENGTH = 32

/** What every process of the network may know and write down: of the secret itself it tells nothing. */
export const keySecretCheck = ({ hmacSha256 }: Pick<Crypto, 'hmacSha256'>, secret: string): string =>
  Buffer.from(hmacSha256(secret, 'shoal key secret check')).toString('hex').slice(0, CHECK_HEX_LENGTH)

/** With it no key of the network would open anything here, and none made here would anywhere else. */
export const otherSecret = (): Problem =>
  new Problem(
    'config_invalid',
    'The secret under which API keys are hashed (`key-secret` in the folder of secrets) is not the one of this network. Give the folder of secrets of the coordinator that founded the network with --secrets, or put the file back from a backup.',
  )
