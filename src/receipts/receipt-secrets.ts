/** What only the network can tell: the salts of a chain's hashes, and whose key pays for a receipt. */

/** HMAC-SHA-256 of `data` under the network's own secret, as base64url without padding. */
export type Mac = (data: string) => string

/** Under which the salts of a chain are made. */
export const chainSecret = (mac: Mac, chain: string): string => mac(`receipts salt ${chain}`)

/** Names the key that pays, in each chain by another name: what nodes see tells them nothing of who their callers are. */
export const payerMark = (mac: Mac, { chain, keyId }: { chain: string; keyId: string }): string =>
  mac(`receipts payer ${chain} ${keyId}`).slice(0, 22)
