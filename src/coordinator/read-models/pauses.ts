import type { Clock, Timer } from '#host/host.ts'

/** What may end a pause before its time. */
export type Wake = 'news' | 'reader' | 'order'
export interface Pause {
  /** `null` lasts until woken. */
  readonly ms: number | null
  readonly endsOn: readonly Wake[]
}

/** The pauses of one loop: it rests, others wake it. */
export interface Pauses {
  /** Resolves after `pause`, or when woken by what the pause ends on. One at a time. */
  rest(pause: Pause): Promise<void>
  /** Ends the pause under way if it ends on `reason`. */
  wake(reason: Wake): void
  /** Ends the pause under way and every later one at once. */
  stop(): void
}

export function createPauses(clock: Pick<Clock, 'after'>): Pauses {
  let current: { readonly endsOn: readonly Wake[]; readonly end: () => void } | null = null
  let isStopped = false
  return {
    rest({ ms, endsOn }) {
      if (isStopped) return Promise.resolve()
      return new Promise((resolve) => {
        let timer: Timer | null = null
        const end = (): void => {
          timer?.cancel()
          current = null
          resolve()
        }
        current = { endsOn, end }
        if (ms !== null) timer = clock.after(ms, end)
      })
    },
    wake(reason) {
      if (current?.endsOn.includes(reason)) current.end()
    },
    stop() {
      isStopped = true
      current?.end()
    },
  }
}
