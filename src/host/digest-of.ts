import type { Crypto } from './host.ts'

/** SHA-256 as base64url without padding, as receipts have it. */
export const digestOf =
  (crypto: Pick<Crypto, 'sha256' | 'sha256Text'>) =>
  (data: Uint8Array | string): string =>
    crypto.sha256Text?.(data) ?? Buffer.from(crypto.sha256(data)).toString('base64url')
