import type { Secrets } from '#host/host.ts'

/** What all processes of a network must agree on; everything else is each process's own. */
const SHARED = ['key-secret', 'network-key']

/** Secrets of one process, of which those that the whole network has come from `shared`. */
export const withShared = (own: Secrets, shared: Secrets): Secrets => {
  const keeperOf = (name: string): Secrets => (SHARED.includes(name) ? shared : own)
  return {
    randomBytes: (length) => own.randomBytes(length),
    read: (name) => keeperOf(name).read(name),
    write: (name, text) => keeperOf(name).write(name, text),
  }
}
