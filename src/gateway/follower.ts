import type { Bus, Clock, Log } from '#host/host.ts'
import { Follow, FollowReply, subjects } from '#protocol/cell.ts'
import { callCell, cellCall } from './cell-calls.ts'
import type { Directory } from './directory.ts'

const FOLLOW_EVERY_MS = 1_000
const followCall = cellCall(subjects.follow, Follow, FollowReply)

export interface Follower {
  /** Fetches changes now, unless a fetch is under way. */
  poke(): void
  close(): void
}

/** Keeps `directory` up to date: every second, and at once when the coordinator says that something changed. */
export function startFollower(
  parts: { bus: Bus; clock: Clock; log: Log; directory: Directory; gatewayId: string },
  onReply: (reply: FollowReply) => void,
): Follower {
  const { bus, clock, log, directory, gatewayId } = parts
  let isFetching = false
  let isPoked = false
  let isClosed = false

  function fetch(): void {
    if (isClosed) return
    if (isFetching) {
      isPoked = true
      return
    }
    isFetching = true
    const askedMs = clock.elapsedMs()
    const input = { gatewayId, epoch: directory.epoch(), version: directory.version() }
    callCell({ bus, log }, followCall, input, (reply) => {
      isFetching = false
      if (isClosed) return
      if (reply) {
        directory.apply(reply, askedMs)
        onReply(reply)
      }
      if (isPoked) {
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
  const subscription = bus.subscribe(subjects.changed, fetch)
  tick()
  return {
    poke: fetch,
    close() {
      isClosed = true
      subscription.close()
    },
  }
}
