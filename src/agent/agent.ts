/**
 * The provider's daemon: connects out to a gateway, proves the node's key, serves requests with its engine.
 *
 *   waiting → connecting → proving → serving → waiting ...      and from anywhere → stopped
 *
 * It needs no inbound port. A lost connection is tried again with jittered back-off for as long as the agent lives;
 * the engine and its loaded model stay up meanwhile.
 */
import type { Engine } from '#engines/engine.ts'
import type { Clock, Crypto, KeyPair, Link, Log, Network, Secrets, Timer } from '#host/host.ts'
import { backoffMs } from '#kernel/backoff.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { Random } from '#kernel/random.ts'
import { HEARTBEAT_MS } from '#protocol/agent-link.ts'
import { AGENT_PROTOCOL, type VersionRange } from '#protocol/agent-version.ts'
import type { Bar } from '#protocol/cell.ts'
import {
  decodeFrames,
  encodeEmptyFrame,
  encodeHeartbeatFrame,
  encodeJsonFrame,
  type Frame,
  FrameType,
} from '#protocol/frame.ts'
import type { Problem } from '#protocol/problem.ts'
import { createAgentLinks } from './agent-links.ts'
import { createAgentOffer, type OfferOptions } from './agent-offer.ts'
import type { AgentStreams } from './agent-streams.ts'
import { type Admitted, beginHandshake, type Handshake } from './handshake.ts'
import type { ProofSolver } from './hardware/proof-solver.ts'
import type { HealthWatch } from './health/health-watch.ts'
import type { ModelHost } from './hosting/model-host.ts'
import { type NetworkPin, NO_PIN } from './network-check.ts'
import type { ReceiptBook } from './receipts/receipt-book.ts'
import type { PauseHow, TaskWorker } from './work/task-worker.ts'

export interface AgentOptions extends OfferOptions {
  readonly nodeId: string
  readonly keys: KeyPair
  /** Where agents connect: `ws://host:port/agent`. */
  readonly gatewayUrl: string
  readonly agentVersion: string
  /** Between two heartbeats; the protocol's own unless a simulated network says otherwise. */
  readonly heartbeatMs?: number
  /** By what the network is known; any is served unless given. */
  readonly pin?: NetworkPin
  /** Serves what the network places on the node; without it the network places nothing. */
  readonly hosting?: ModelHost
  /** Keeps what both sides signed; without it the node signs no receipts. */
  readonly receipts?: ReceiptBook
  /** Works off tasks; without it the node takes none. */
  readonly worker?: TaskWorker
  /** Proves what hardware this is; without it the node proves nothing. */
  readonly prover?: ProofSolver
  /** Knows how the machine's devices are; without it nothing is said of them. */
  readonly health?: Pick<HealthWatch, 'faults' | 'onChange'>
  /** The network finds the node slower with this model than it says. */
  readonly onSlow?: (model: string) => void
  /** Versions of the agent protocol; this release's own unless told otherwise. */
  readonly versions?: VersionRange
  /** The network will not have this node, and trying again cannot help. */
  readonly onRefused: (problem: Problem) => void
  readonly onState?: (state: AgentState) => void
  /**
   * It serves, and this keeps it from getting work; `null`: nothing does, or the gateway does not say. Told after each
   * `serving`, and whenever it changes.
   */
  readonly onStanding?: (barred: Bar | null) => void
  /** The network was not reached, or is not the right one any more, and is tried again. */
  readonly onAway?: (reason: string) => void
}
export type ParkHow = PauseHow | 'tasks_go_on'
export type AgentState = 'waiting' | 'connecting' | 'proving' | 'serving' | 'stopped'

export interface Agent {
  state(): AgentState
  /** Asks this much from now on, for work that comes from now on, and tells the network. */
  setAsk(askPerGpuHour: NanoUsd): void
  /** Tells the network anew what it offers: its speeds changed. */
  report(): void
  /**
   * Takes no new work until `unpark`, through any connection; what runs may end. `reason` is told to the network with the
   * node's other problems. The agent stays connected, and its state `serving`. A task that runs ends first, unless it is to
   * be given back; with `tasks_go_on` only requests are kept away.
   */
  park(reason: string, how?: ParkHow): void
  unpark(): void
  /** Takes no new work, lets what runs end for at most `graceMs`, says goodbye. `done` runs once. */
  drain(graceMs: number, done: () => void): void
  /** Breaks off at once. */
  stop(): void
}

interface AgentHost {
  readonly clock: Clock
  readonly crypto: Crypto
  readonly log: Log
  readonly network: Pick<Network, 'connect'>
  readonly random: Random
  readonly secrets: Pick<Secrets, 'randomBytes'>
}

const BACKOFF = { delayMsMin: 100, delayMsMax: 5_000 }
/** A gateway that accepted the connection must admit the node within this time. */
const ADMIT_WITHIN_MS = 10_000
/** How a link ends of which no peer said why: its reason is then a sentence for people. */
const NEVER_SAID = 1006

export function startAgent(parts: AgentHost, engine: Engine, options: AgentOptions): Agent {
  const { clock, log, network, random } = parts
  const { gatewayUrl, heartbeatMs = HEARTBEAT_MS, pin = NO_PIN, versions = AGENT_PROTOCOL, worker } = options
  const links = createAgentLinks(parts, engine, options)
  const offer = createAgentOffer(engine, options)
  let state: AgentState = 'waiting'
  let link: Link | null = null
  let handshake: Handshake | null = null
  let hasServed = false
  let streams: AgentStreams | null = null
  let heartbeat: Timer | null = null
  let retry: Timer | null = null
  let admission: Timer | null = null
  let attempt = 0
  // Later than any session that this node had before: a clock that went back is put right by the gateway's answer.
  let session = Math.max(1, clock.nowMs())
  /** Ends a drain that waits for its runs; null while there is none. */
  let finishDrain: (() => void) | null = null

  function become(next: AgentState): void {
    if (state === next) return
    state = next
    options.onState?.(next)
  }

  function connect(): void {
    if (state === 'stopped') return
    become('connecting')
    session++
    handshake = beginHandshake(parts, { ...options, session, pin, versions })
    const opened = network.connect(gatewayUrl, {
      onMessage: (message) => (link === opened ? receive(message) : undefined),
      onClose: (code, reason) => (link === opened ? lost(code, reason) : undefined),
    })
    link = opened
    admission = clock.after(ADMIT_WITHIN_MS, () => opened.close(1002, 'no admission'))
  }

  function lost(code: number, reason: string): void {
    admission?.cancel()
    heartbeat?.cancel()
    streams?.close()
    link = null
    handshake = null
    streams = null
    if (state === 'stopped') return
    // What still ran ended with the connection, and nobody is left to say goodbye to.
    if (finishDrain) return finishDrain()
    if (state === 'serving') attempt = 0
    become('waiting')
    const delayMs = backoffMs(attempt++, BACKOFF, random)
    log.info('agent.disconnected', { code, reason, retryMs: delayMs })
    if (code === NEVER_SAID && reason !== '') options.onAway?.(reason)
    retry = clock.after(delayMs, connect)
  }

  const receive = (message: Uint8Array): void =>
    eachFrame(message, onFrame, { log, close: () => link?.close(1002, 'malformed frame') })

  function onFrame(frame: Frame): void {
    const step = handshake?.receive(frame, link?.tlsKey?.() ?? null)
    switch (step?.kind) {
      case undefined:
        return streams?.receive(frame)
      case 'hello':
        become('proving')
        return link?.send(encodeJsonFrame(FrameType.hello, 0, step.hello))
      case 'admitted':
        return serve(step)
      case 'denied':
        if (step.sessionMin === null) return
        session = Math.max(session, step.sessionMin - 1)
        attempt = 0
        return
      case 'refused':
        return refuse(step)
    }
  }

  /** Where it served before, it comes back: what stands in the network's place now may be gone again. */
  function refuse({ problem, isLasting }: { problem: Problem; isLasting: boolean }): void {
    log.warn('agent.refused', { message: problem.message, isLasting })
    if (isLasting || !hasServed) {
      stop()
      return options.onRefused(problem)
    }
    options.onAway?.(problem.message)
    link?.close(1008, 'not the network of this node')
  }

  function serve({ protocol, networkKey, barred }: Admitted): void {
    if (!link) return
    admission?.cancel()
    become('serving')
    hasServed = true
    streams = links.open({ link, protocol, session, networkKey })
    // Before the offers, so that no request slips in between.
    if (offer.parkedReason !== null) link.send(encodeEmptyFrame(FrameType.drain, 0))
    report()
    beat()
    options.onStanding?.(barred)
  }

  const report = (): void => link?.send(offer.report(links.capability()))

  function beat(): void {
    if (state !== 'serving') return
    link?.send(encodeHeartbeatFrame({ slotsBusy: streams?.count() ?? 0, queued: 0 }))
    heartbeat = clock.after(heartbeatMs, beat)
  }

  function stop(): void {
    if (state === 'stopped') return
    become('stopped')
    for (const timer of [retry, heartbeat, admission]) timer?.cancel()
    streams?.close()
    link?.close(1000, 'agent stopped')
    link = null
    streams = null
  }

  engine.onChange(() => {
    if (state === 'serving') report()
  })
  connect()

  return {
    state: () => state,
    report() {
      if (state === 'serving') report()
    },
    setAsk(ask) {
      if (offer.setAsk(ask) && state === 'serving') report()
    },
    park(reason, how = 'finish') {
      const before = offer.parkedReason
      offer.parkedReason = reason
      holdTasks(worker, how)
      if (state !== 'serving' || before === reason) return
      if (before === null) link?.send(encodeEmptyFrame(FrameType.drain, 0))
      report()
    },
    unpark() {
      if (offer.parkedReason === null) return
      offer.parkedReason = null
      worker?.resume('parked')
      if (state !== 'serving') return
      report()
      // One that is leaving stays closed for new work.
      if (!finishDrain) link?.send(encodeEmptyFrame(FrameType.resume, 0))
    },
    drain(graceMs, done) {
      let isOver = false
      const finish = (): void => {
        if (isOver) return
        isOver = true
        deadline.cancel()
        worker?.giveBack()
        stop()
        done()
      }
      const deadline = clock.after(graceMs, finish)
      if (state !== 'serving' || !streams) return finish()
      finishDrain = finish
      worker?.leave(graceMs)
      link?.send(encodeEmptyFrame(FrameType.drain, 0))
      streams.onIdle(finish)
    },
    stop,
  }
}

function holdTasks(worker: TaskWorker | undefined, how: ParkHow): void {
  if (how === 'tasks_go_on') worker?.resume('parked')
  else worker?.pause('parked', how)
}

function eachFrame(
  message: Uint8Array,
  onFrame: (frame: Frame) => void,
  { log, close }: { log: Log; close: () => void },
): void {
  try {
    for (const frame of decodeFrames(message)) onFrame(frame)
  } catch (error) {
    log.error('agent.frame_malformed', { message: error instanceof Error ? error.message : String(error) })
    close()
  }
}
