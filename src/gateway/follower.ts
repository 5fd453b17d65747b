import type { Bus, Clock, Log } from '#host/host.ts'
import { Follow, FollowReply, subjects } from '#protocol/cell.ts'
import { callCell, cellCall } from './cell-calls.ts'
import type { Directory } from './directory.ts'
import { collectParts } from './directory-parts.ts'

const FOLLOW_EVERY_MS = 1_000
const followCall = cellCall(subjects.follow, Follow, FollowReply)

export interface Follower {
  /** Fetches changes now, unless a fetch is under way. */
  poke(): void
  close(): void
}

/** Keeps `directory` up to date: every second, and at once when the coordinator says that something changed. */
export function startFollower(
  parts: {
    bus: Bus
    clock: Clock
    log: Log
    directory: Directory
    gatewayId: string
    news?: () => Pick<Follow, 'demand' | 'hosted'>
  },
  onReply: (reply: FollowReply) => void,
): Follower {
  const { bus, clock, log, directory, gatewayId } = parts
  const collected = collectParts()
  /** The fetch under way; 0 without one. What an abandoned one brings is not looked at. */
  let fetching = 0
  let fetches = 0
  /** Of the coordinators that were heard. */
  let newestEpoch = 0
  let heardAtMs: number | null = null
  let isPoked = false
  let isClosed = false

  function fetch(): void {
    if (isClosed) return
    if (fetching !== 0) {
      isPoked = true
      return
    }
    const number = ++fetches
    fetching = number
    const askedMs = clock.elapsedMs()
    const [epoch, version, from] = [directory.epoch(), directory.version(), collected.from()]
    const heard = heardAtMs === null ? {} : { heardAgoMs: Math.round(askedMs - heardAtMs) }
    const input = { gatewayId, epoch, version, from, ...heard, ...parts.news?.() }
    callCell({ bus, log }, followCall, input, (reply) => {
      if (isClosed || fetching !== number) return
      fetching = 0
      if (reply) heardAtMs = clock.elapsedMs()
      const whole = reply && collected.add(reply)
      if (whole) {
        directory.apply(whole, askedMs)
        onReply(whole)
      }
      if (isPoked || (reply && !whole)) {
        isPoked = false
        fetch()
      }
    })
  }

  function tick(): void {
    if (isClosed) return
    fetch()
    clock.after(FOLLOW_EVERY_MS, tick)
  }
  const subscription = bus.subscribe(subjects.changed, (news) => {
    // Whoever led before may be frozen, and would keep us waiting for the rest of the time-out.
    const epoch = Math.max(epochOf(news), newestEpoch, directory.epoch())
    if (epoch > Math.max(newestEpoch, directory.epoch())) fetching = 0
    newestEpoch = epoch
    fetch()
  })
  tick()
  return {
    poke: fetch,
    close() {
      isClosed = true
      subscription.close()
    },
  }
}

/** 0 where the coordinator does not say its epoch, as those of the first release. */
const epochOf = (news: string): number => Number(/ (\d+)$/.exec(news)?.[1] ?? 0)
