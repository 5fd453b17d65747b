/** SHA-256 of what comes in pieces. */
export interface Hasher {
  update(bytes: Uint8Array): void
  /** Once, in hex. */
  digest(): string
}
export type CreateHasher = () => Hasher
