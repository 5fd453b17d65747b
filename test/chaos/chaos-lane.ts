/** One direction of one connection through the chaos proxy: pieces in order, each with the moment at which it may pass. */
import type { Socket } from 'node:net'
import type { Random } from '#kernel/random.ts'
import type { LinkFaults } from './chaos-proxy.ts'

export interface Lane {
  /** While held, nothing passes, not even the end. */
  hold(isHeld: boolean): void
  /** Forgets what waits. */
  drop(): void
}

export interface LanePorts {
  readonly random: Random
  readonly faults: () => LinkFaults
  readonly onHarm: () => void
}

/** The sender waits while so much is on its way. */
const WAITING_BYTES_MAX = 1 << 20

/** `null` ends the stream. */
interface Waiting {
  readonly piece: Buffer | null
  readonly dueMs: number
}

export function openLane(from: Socket, to: Socket, ports: LanePorts): Lane {
  const queue: Waiting[] = []
  let bytes = 0
  let lastDueMs = 0
  let isHeld = false
  let timer: NodeJS.Timeout | null = null

  function push(piece: Buffer | null): void {
    const faults = ports.faults()
    const nowMs = performance.now()
    const { random } = ports
    let delayMs =
      faults.latencyMs + (faults.jitterMs > 0 ? random.int(Math.ceil(faults.jitterMs * 1_000)) / 1_000 : 0)
    if (faults.dropPercent > 0 && random.chance(Math.round(faults.dropPercent * 100), 10_000))
      delayMs += faults.resendMs
    const size = piece?.length ?? 0
    const tookMs = faults.bytesPerSecond === null ? 0 : (size / faults.bytesPerSecond) * 1_000
    const dueMs = Math.max(nowMs + delayMs, lastDueMs) + tookMs
    lastDueMs = dueMs
    if (piece !== null && faults.corruptPer10k > 0 && random.chance(faults.corruptPer10k, 10_000))
      harm(piece, ports)
    queue.push({ piece, dueMs })
    bytes += size
    if (bytes > WAITING_BYTES_MAX) from.pause()
    flush()
  }

  function flush(): void {
    if (timer !== null) clearTimeout(timer)
    timer = null
    const nowMs = performance.now()
    for (let next = queue[0]; next !== undefined && !isHeld; next = queue[0]) {
      if (next.dueMs > nowMs) {
        timer = setTimeout(flush, Math.ceil(next.dueMs - nowMs))
        break
      }
      queue.shift()
      bytes -= next.piece?.length ?? 0
      if (next.piece === null) to.end()
      else if (!to.destroyed && !to.write(next.piece)) {
        from.pause()
        to.once('drain', () => from.resume())
      }
    }
    if (bytes < WAITING_BYTES_MAX && !to.writableNeedDrain) from.resume()
  }

  from.on('data', push)
  from.on('end', () => push(null))
  from.on('close', (hadError) => {
    // An end in order came as one; anything else is passed on as it came, once nothing holds the lane.
    if (hadError && !isHeld) to.resetAndDestroy()
  })
  return {
    hold(isNow) {
      isHeld = isNow
      flush()
      if (!isHeld && from.destroyed && queue.length === 0 && !to.writableEnded) to.destroy()
    },
    drop() {
      queue.length = 0
      if (timer !== null) clearTimeout(timer)
    },
  }
}

function harm(piece: Buffer, { random, onHarm }: LanePorts): void {
  const at = random.int(piece.length)
  piece[at] = (piece[at] ?? 0) ^ (1 << random.int(8))
  onHarm()
}
