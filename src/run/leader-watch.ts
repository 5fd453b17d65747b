/** What becomes of a coordinator that leads: when one is there again, and when one that froze is given up. */
import type { Clock, Network } from '#host/host.ts'
import { rootOf } from '#host/node/network-problem.ts'
import { Problem } from '#protocol/problem.ts'

export interface LeaderWatchParts {
  readonly clock: Pick<Clock, 'after' | 'elapsedMs'>
  readonly network: Pick<Network, 'fetch'>
  /** Where the coordinator that leads listens; null when none was heard of. */
  leaderUrl(): string | null
}

const LOOK_EVERY_MS = 50
/** A coordinator that leads no more has so long to answer what it took before. */
const ANSWER_MS_MAX = 500
/** Who takes a connection and says nothing for so long is there: what the calls themselves meet, they tell. */
const LOOK_MS_MAX = 1_000

/** Nothing listened there, so nothing was sent. */
export const reachedNobody = (error: unknown): boolean => rootOf(error).code === 'ECONNREFUSED'

export interface Absence {
  isAbsent(leaderUrl: string): boolean
  /** Resolves when somebody listens at `leaderUrl` or another leads, at `untilMs`, or when `signal` says so. */
  over(leaderUrl: string, untilMs: number, signal: AbortSignal): Promise<void>
}

/** One look at a time for all calls that wait: hundreds that each knocked would keep the gateway busy with refusals. */
export function watchAbsence({ clock, network, leaderUrl: leads }: LeaderWatchParts): Absence {
  let absentUrl: string | null = null
  const waiting = new Set<{ readonly untilMs: number; readonly signal: AbortSignal; go(): void }>()

  async function isBack(url: string): Promise<boolean> {
    if (leads() !== url) return true
    const enough = new AbortController()
    const timer = clock.after(LOOK_MS_MAX, () => enough.abort())
    try {
      await (await network.fetch(new Request(`${url}/api/health`, { signal: enough.signal }))).body?.cancel()
      return true
    } catch (error) {
      return !reachedNobody(error)
    } finally {
      timer.cancel()
    }
  }

  async function look(url: string): Promise<void> {
    let isOver = false
    while (waiting.size > 0 && !isOver) {
      await new Promise<void>((resolve) => clock.after(LOOK_EVERY_MS, resolve))
      isOver = await isBack(url)
      const nowMs = clock.elapsedMs()
      for (const one of waiting) {
        if (!isOver && !one.signal.aborted && nowMs < one.untilMs) continue
        waiting.delete(one)
        one.go()
      }
    }
    absentUrl = null
  }

  return {
    isAbsent: (leaderUrl) => leaderUrl === absentUrl,
    over: (leaderUrl, untilMs, signal) =>
      new Promise<void>((go) => {
        waiting.add({ untilMs, signal, go })
        if (absentUrl !== null) return
        absentUrl = leaderUrl
        void look(leaderUrl)
      }),
  }
}

export interface CallsUnderWay {
  /** What `call` gives; rejects with a `Problem` once `leaderUrl` leads no more for a while and has not answered. */
  with<T>(leaderUrl: string, signal: AbortSignal, call: (signal: AbortSignal) => Promise<T>): Promise<T>
}

/** A leader that froze keeps its connections and says nothing: its calls end when another leads in its place. */
export function watchCalls({ clock, leaderUrl: leads }: LeaderWatchParts): CallsUnderWay {
  const calls = new Set<{ readonly leaderUrl: string; readonly cut: AbortController }>()
  let leaderUrl: string | null = null
  let sinceMs = 0
  let isLooking = false

  function look(): void {
    if (leads() !== leaderUrl) {
      leaderUrl = leads()
      sinceMs = clock.elapsedMs()
    } else if (clock.elapsedMs() - sinceMs >= ANSWER_MS_MAX) {
      for (const call of calls) if (call.leaderUrl !== leaderUrl) call.cut.abort()
    }
    isLooking = calls.size > 0
    if (isLooking) clock.after(LOOK_EVERY_MS, look)
  }

  return {
    async with(leaderUrl, signal, call) {
      const one = { leaderUrl, cut: new AbortController() }
      calls.add(one)
      if (!isLooking) look()
      try {
        return await call(AbortSignal.any([signal, one.cut.signal]))
      } catch (error) {
        if (!one.cut.signal.aborted) throw error
        throw new Problem(
          'network_timeout',
          'another coordinator leads now, and the one before did not answer',
        )
      } finally {
        calls.delete(one)
      }
    },
  }
}
