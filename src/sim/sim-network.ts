/** Connections between simulated processes: ordered and reliable until they break, like TCP; slow, cut or half-open by fault. */
import type { Exchange, Link, LinkHandlers, Network, ServerHandlers } from '#host/host.ts'
import type { Random } from '#kernel/random.ts'
import { Problem } from '#protocol/problem.ts'
import type { Scheduler } from './scheduler.ts'
import type { SimProcess } from './sim-process.ts'

interface Server {
  readonly process: SimProcess
  readonly handlers: ServerHandlers
}

/** A cut connection is noticed by both sides only after this long without a sign of life. */
const DEAD_AFTER_MS = 15_000

/** Who connects through a cut asks again after these times since the first, as TCP does. */
const ASK_AGAIN_MS = [1_000, 3_000, 7_000, 15_000] as const

/** Which of a process's messages a cut holds back: all, those that it sends, or those that are sent to it. */
export type CutWay = 'both' | 'out' | 'in'

/** Keeps messages in order: events at the same instant run in an order of the seed's choice. */
const BEHIND_MS = 0.001

interface Address {
  readonly address: string
  readonly pathname: string
}

interface End {
  readonly process: SimProcess
  handlers: LinkHandlers | null
  isClosed: boolean
  /** Lets go of the process, which outlives its connections. */
  forget: () => void
  /** When the last message to this end arrives: the next never arrives earlier. */
  arrivesAtMs: number
}

export class SimNetwork {
  readonly #scheduler: Scheduler
  readonly #random: Random
  readonly #servers = new Map<string, Server>()
  readonly #wires = new Set<Wire>()
  /** What was asked for, taken apart: whoever is refused asks again and again. */
  readonly #addresses = new Map<string, Address>()
  /** Until when processes are cut off, by name: those that start meanwhile are, too. */
  readonly #cutOff = new Map<string, number>()
  latencyMsMax = 20
  /** Hears all that whoever connected says: what somebody on the line could write down. */
  onSaid: ((process: SimProcess, message: Uint8Array) => void) | null = null

  constructor(scheduler: Scheduler, random: Random) {
    this.#scheduler = scheduler
    this.#random = random
  }

  port(process: SimProcess): Network {
    return {
      fetch: () =>
        Promise.reject(new Problem('network_unreachable', 'The simulated network carries links only.')),
      connect: (url, handlers) => this.#connect(process, this.#addressOf(url), handlers),
      listen: async ({ hostname, port }, handlers) => {
        const address = `${hostname}:${port}`
        const server = { process, handlers }
        this.#servers.set(address, server)
        process.onDeath(() => {
          if (this.#servers.get(address) === server) this.#servers.delete(address)
        })
        return { port, close: async () => void this.#servers.delete(address) }
      },
    }
  }

  /** Sends an exchange to the server at `address`; false when nothing listens there. */
  exchange(address: string, exchange: Exchange): boolean {
    const server = this.#servers.get(address)
    if (!server?.process.isAlive) return false
    server.process.enter(() => server.handlers.onExchange(exchange))
    return true
  }

  serverProcess(address: string): SimProcess | null {
    return this.#servers.get(address)?.process ?? null
  }

  /** Cuts all of a process's connections without a word, for `durationMs`: short cuts delay, long ones break. */
  cut(process: SimProcess, durationMs: number, way: CutWay = 'both'): void {
    for (const wire of this.#wires) if (wire.touches(process)) wire.cut(durationMs, process, way)
  }

  /** As `cut`, and no new connection of it comes about meanwhile. */
  partition(process: SimProcess, durationMs: number, way: CutWay = 'both'): void {
    const untilMs = this.#scheduler.nowMs() + durationMs
    this.#cutOff.set(process.name, Math.max(untilMs, this.#cutOff.get(process.name) ?? 0))
    this.cut(process, durationMs, way)
  }

  #isCutOff({ name }: SimProcess): boolean {
    return (this.#cutOff.get(name) ?? 0) > this.#scheduler.nowMs()
  }

  #addressOf(url: string): Address {
    const known = this.#addresses.get(url)
    if (known) return known
    const { hostname, port, pathname } = new URL(url)
    const address = { address: `${hostname}:${port || '80'}`, pathname }
    this.#addresses.set(url, address)
    return address
  }

  #connect(process: SimProcess, { address, pathname }: Address, handlers: LinkHandlers): Link {
    const near: End = { process, handlers, isClosed: false, forget: () => {}, arrivesAtMs: 0 }
    const wire = new Wire(
      this.#scheduler,
      () => 1 + this.#random.int(this.latencyMsMax),
      (gone) => {
        this.#wires.delete(gone)
      },
    )
    this.#wires.add(wire)
    const attached = wire.attach(near)
    const link: Link = {
      ...attached,
      send: (message) => {
        this.onSaid?.(process, message)
        attached.send(message)
      },
    }
    near.forget = process.onDeath(() => wire.died(near))
    const ask = (count: number): void => {
      const server = this.#servers.get(address)
      if (near.isClosed) return wire.refuse(near)
      if (this.#isCutOff(process) || (server && this.#isCutOff(server.process))) {
        const [before = 0, again] = [ASK_AGAIN_MS[count - 1], ASK_AGAIN_MS[count]]
        if (again === undefined) return wire.refuse(near)
        return void this.#scheduler.after(again - before, () => ask(count + 1))
      }
      if (!server?.process.isAlive) return wire.refuse(near)
      server.process.enter(() => {
        const { process } = server
        const far: End = { process, handlers: null, isClosed: false, forget: () => {}, arrivesAtMs: 0 }
        far.forget = process.onDeath(() => wire.died(far))
        wire.open(near, far, server.handlers, pathname)
      })
    }
    this.#scheduler.after(1 + this.#random.int(this.latencyMsMax), () => ask(0))
    return link
  }
}

class Wire {
  readonly #scheduler: Scheduler
  readonly #latencyMs: () => number
  readonly #onGone: (wire: Wire) => void
  #near: End | null = null
  #far: End | null = null
  /** Until when what each end sends is held back. */
  #nearCutUntilMs = 0
  #farCutUntilMs = 0

  constructor(scheduler: Scheduler, latencyMs: () => number, onGone: (wire: Wire) => void) {
    this.#scheduler = scheduler
    this.#latencyMs = latencyMs
    this.#onGone = onGone
  }

  touches(process: SimProcess): boolean {
    return this.#near?.process === process || this.#far?.process === process
  }

  attach(end: End): Link {
    this.#near ??= end
    return {
      send: (message) => this.#send(end, message),
      bufferedBytes: () => 0,
      close: (code, reason) => this.#close(end, code, reason),
    }
  }

  open(near: End, far: End, server: ServerHandlers, path: string): void {
    this.#far = far
    far.handlers = server.onLink(path, this.attach(far), {})
    if (!far.handlers) return this.#close(far, 1006, 'not found')
    near.process.enter(() => {
      if (!near.isClosed) near.handlers?.onOpen?.()
    })
  }

  refuse(near: End): void {
    this.#tell(near, 1006, 'connection refused')
    this.#onGone(this)
  }

  /** Messages wait out a short cut; one that lasts breaks the connection on both sides. */
  cut(durationMs: number, process: SimProcess, way: CutWay): void {
    const untilMs = this.#scheduler.nowMs() + durationMs
    const isNear = this.#near?.process === process
    const [holdsNear, holdsFar] = [way !== (isNear ? 'in' : 'out'), way !== (isNear ? 'out' : 'in')]
    if (holdsNear) this.#nearCutUntilMs = Math.max(this.#nearCutUntilMs, untilMs)
    if (holdsFar) this.#farCutUntilMs = Math.max(this.#farCutUntilMs, untilMs)
    if (durationMs < DEAD_AFTER_MS) return
    this.#scheduler.after(DEAD_AFTER_MS, () => {
      for (const end of [this.#near, this.#far]) if (end) this.#tell(end, 1006, 'no sign of life')
      this.#onGone(this)
    })
  }

  died(end: End): void {
    if (end.isClosed) return
    this.#end(end)
    const other = this.#otherOf(end)
    if (other) this.#scheduler.after(this.#delayMs(end), () => this.#tell(other, 1006, 'connection reset'))
    this.#onGone(this)
  }

  #end(end: End): void {
    end.isClosed = true
    end.forget()
  }

  #otherOf(end: End): End | null {
    return end === this.#near ? this.#far : this.#near
  }

  #delayMs(from: End): number {
    const untilMs = from === this.#near ? this.#nearCutUntilMs : this.#farCutUntilMs
    const cutMs = Math.max(0, untilMs - this.#scheduler.nowMs())
    return cutMs + this.#latencyMs()
  }

  #send(from: End, message: Uint8Array): void {
    const to = this.#otherOf(from)
    if (from.isClosed || !to) return
    const nowMs = this.#scheduler.nowMs()
    to.arrivesAtMs = Math.max(to.arrivesAtMs + BEHIND_MS, nowMs + this.#delayMs(from))
    const deliver = (): void => {
      if (!to.isClosed) to.handlers?.onMessage(message)
    }
    this.#scheduler.after(to.arrivesAtMs - nowMs, deliver, to.process)
  }

  #close(from: End, code: number, reason: string): void {
    if (from.isClosed) return
    this.#end(from)
    const to = this.#otherOf(from)
    const nowMs = this.#scheduler.nowMs()
    if (to) {
      // What was sent before the close arrives before it.
      const arrivesAtMs = Math.max(to.arrivesAtMs + BEHIND_MS, nowMs + this.#delayMs(from))
      this.#scheduler.after(arrivesAtMs - nowMs, () => this.#tell(to, code, reason))
    }
    this.#scheduler.after(0, () => from.handlers?.onClose(code, reason), from.process)
    this.#onGone(this)
  }

  #tell(end: End, code: number, reason: string): void {
    if (end.isClosed) return
    this.#end(end)
    end.process.enter(() => end.handlers?.onClose(code, reason))
  }
}
