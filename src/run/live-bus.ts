/**
 * How a coordinator learns what gateways do right now, in this process or in others: it says that somebody looks, and
 * for a while each gateway tells every second. While nobody looks nothing is sent.
 */
import type { Bus, Clock, Log } from '#host/host.ts'
import { subjects } from '#protocol/cell.ts'
import { GatewayLive } from '#protocol/live.ts'
import { jsonWriter } from '#protocol/wire-form.ts'

/** After somebody looked. */
const TELL_FOR_MS = 10_000
const TELL_EVERY_MS = 1_000
/** What a gateway said longer ago than this is no news. */
const STALE_MS = 3_500
/** When nothing is known yet: for the first answer, and from then on for those of others. */
const FIRST_WAIT_MS = 500
const OTHERS_WAIT_MS = 60

type Parts = { readonly bus: Bus; readonly clock: Clock; readonly log: Log }

const write = jsonWriter(GatewayLive)

/** Tells what `snapshot` says while somebody looks. */
export function tellLive({ bus, clock }: Parts, snapshot: () => GatewayLive): { close(): void } {
  let untilMs = 0
  let isTelling = false
  let isClosed = false
  function tell(): void {
    isTelling = !isClosed && clock.elapsedMs() < untilMs
    if (!isTelling) return
    bus.publish(subjects.live, write(snapshot()))
    clock.after(TELL_EVERY_MS, tell)
  }
  const subscription = bus.subscribe(subjects.watchLive, () => {
    untilMs = clock.elapsedMs() + TELL_FOR_MS
    if (!isTelling) tell()
  })
  return {
    close() {
      isClosed = true
      subscription.close()
    },
  }
}

export interface LiveListener {
  /** The newest of each gateway that is heard of. */
  read(): Promise<readonly GatewayLive[]>
  close(): void
}

export function listenLive({ bus, clock, log }: Parts): LiveListener {
  const heard = new Map<string, { readonly live: GatewayLive; readonly atMs: number }>()
  let onHeard: (() => void) | null = null
  const subscription = bus.subscribe(subjects.live, (message) => {
    const parsed = GatewayLive.safeParse(parseJson(message))
    if (!parsed.success)
      return log.warn('bus.message_malformed', { subject: subjects.live, message: parsed.error.message })
    heard.set(parsed.data.gatewayId, { live: parsed.data, atMs: clock.elapsedMs() })
    onHeard?.()
  })
  const fresh = (): GatewayLive[] => {
    const nowMs = clock.elapsedMs()
    for (const [gatewayId, { atMs }] of heard) if (nowMs - atMs > STALE_MS) heard.delete(gatewayId)
    return [...heard.values()].map(({ live }) => live)
  }
  return {
    async read() {
      bus.publish(subjects.watchLive, '')
      const known = fresh()
      if (known.length > 0) return known
      await new Promise<void>((resolve) => {
        const deadline = clock.after(FIRST_WAIT_MS, resolve)
        onHeard = () => {
          onHeard = null
          deadline.cancel()
          clock.after(OTHERS_WAIT_MS, resolve)
        }
      })
      return fresh()
    },
    close: () => subscription.close(),
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // The schema refuses it, with a message that says what was expected.
  }
}
