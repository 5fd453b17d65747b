/**
 * When a lease is over, told by watching. Each renewal changes a counter in the journal's head; a lease is over once
 * this process has seen the same count for the whole term by its own monotonic clock. So no wall clock decides, and it
 * does not matter when the server's is set.
 */
import type { PgRow } from './postgres-connection.ts'

export interface Lease {
  readonly holder: string
  readonly leaseMs: number
  /** Changes with each renewal and each holder. */
  readonly mark: string
  /** Since the last renewal by the server's clock: a guess, for whoever has not watched. */
  readonly ageMs: number
}

export const toLease = (row: PgRow): Lease => ({
  holder: String(row['holder']),
  leaseMs: Number(row['lease_ms']),
  mark: `${row['epoch']}:${row['renewals']}`,
  ageMs: Number(row['age_ms']),
})

export class LeaseWatch {
  #mark = ''
  /** When `#mark` was first here: the renewal was before. */
  #sinceMs = 0

  /** How long `lease`, asked for at `askedMs` and heard of at `heardMs`, may still run; 0 when nobody holds one. */
  remainingMs(lease: Lease, { askedMs, heardMs }: { askedMs: number; heardMs: number }): number {
    if (lease.holder === '') return 0
    if (lease.mark !== this.#mark) {
      this.#mark = lease.mark
      this.#sinceMs = heardMs
    }
    return Math.min(lease.leaseMs, Math.max(0, lease.leaseMs - (askedMs - this.#sinceMs)))
  }
}
