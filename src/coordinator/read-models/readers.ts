import type { Clock } from '#host/host.ts'

/** Who waits for the tables to include an entry. */
export interface Readers {
  isEmpty(): boolean
  /** True once `answer` was called with `sequence` or more; false when `timeoutMs` (`null`: no limit) or `drop` came first. */
  wait(sequence: number, timeoutMs: number | null): Promise<boolean>
  /** Tells that the tables include the entries up to `position`. */
  answer(position: number): void
  /** Nobody will be answered any more. */
  drop(): void
}

interface Reader {
  readonly sequence: number
  readonly settle: (isReached: boolean) => void
}

export function createReaders(clock: Pick<Clock, 'after'>): Readers {
  const readers = new Set<Reader>()
  return {
    isEmpty: () => readers.size === 0,
    wait: (sequence, timeoutMs) =>
      new Promise((resolve) => {
        const settle = (isReached: boolean): void => {
          timer?.cancel()
          readers.delete(reader)
          resolve(isReached)
        }
        const timer = timeoutMs === null ? null : clock.after(timeoutMs, () => settle(false))
        const reader: Reader = { sequence, settle }
        readers.add(reader)
      }),
    answer(position) {
      for (const reader of [...readers]) if (reader.sequence <= position) reader.settle(true)
    },
    drop() {
      for (const reader of [...readers]) reader.settle(false)
    },
  }
}
