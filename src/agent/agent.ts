/**
 * The provider's daemon: connects out to a gateway, proves the node's key, serves requests with its engine.
 *
 *   waiting → connecting → proving → serving → waiting ...      and from anywhere → stopped
 *
 * It needs no inbound port. A lost connection is tried again with jittered back-off for as long as the agent lives;
 * the engine and its loaded model stay up meanwhile.
 */
import type { Engine } from '#engines/engine.ts'
import type { Clock, Crypto, KeyPair, Link, Log, Network, Timer } from '#host/host.ts'
import { backoffMs } from '#kernel/backoff.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { Random } from '#kernel/random.ts'
import { AGENT_PROTOCOL_VERSION, Challenge, Deny, HEARTBEAT_MS, helloText } from '#protocol/agent-link.ts'
import {
  decodeFrames,
  decodeJson,
  encodeEmptyFrame,
  encodeHeartbeatFrame,
  encodeJsonFrame,
  type Frame,
  FrameType,
} from '#protocol/frame.ts'
import { Problem } from '#protocol/problem.ts'
import { createAgentOffer, type OfferOptions } from './agent-offer.ts'
import { type AgentStreams, createAgentStreams } from './agent-streams.ts'

export interface AgentOptions extends OfferOptions {
  readonly nodeId: string
  readonly keys: KeyPair
  /** Where agents connect: `ws://host:port/agent`. */
  readonly gatewayUrl: string
  readonly agentVersion: string
  /** The network will not have this node, and trying again cannot help. */
  readonly onRefused: (problem: Problem) => void
  readonly onState?: (state: AgentState) => void
}
export type AgentState = 'waiting' | 'connecting' | 'proving' | 'serving' | 'stopped'

export interface Agent {
  state(): AgentState
  /** Asks this much from now on, for work that comes from now on, and tells the network. */
  setAsk(askPerGpuHour: NanoUsd): void
  /**
   * Takes no new work until `unpark`, through any connection; what runs may end. `reason` is told to the network with the
   * node's other problems. The agent stays connected, and its state `serving`.
   */
  park(reason: string): void
  unpark(): void
  /** Takes no new work, lets what runs end for at most `graceMs`, says goodbye. `done` runs once. */
  drain(graceMs: number, done: () => void): void
  /** Breaks off at once. */
  stop(): void
}

type AgentHost = { clock: Clock; crypto: Crypto; log: Log; network: Pick<Network, 'connect'>; random: Random }

const BACKOFF = { delayMsMin: 100, delayMsMax: 5_000 }
/** A gateway that accepted the connection must admit the node within this time. */
const ADMIT_WITHIN_MS = 10_000
const encoder = new TextEncoder()

export function startAgent(host: AgentHost, engine: Engine, options: AgentOptions): Agent {
  const { clock, crypto, log, network, random } = host
  const { nodeId, keys, gatewayUrl } = options
  const offer = createAgentOffer(engine, options)
  let state: AgentState = 'waiting'
  let link: Link | null = null
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
    const opened = network.connect(gatewayUrl, {
      onMessage: (message) => {
        if (link === opened) receive(message)
      },
      onClose: (code, reason) => {
        if (link === opened) lost(code, reason)
      },
    })
    link = opened
    admission = clock.after(ADMIT_WITHIN_MS, () => opened.close(1002, 'no admission'))
  }

  function lost(code: number, reason: string): void {
    admission?.cancel()
    heartbeat?.cancel()
    streams?.close()
    link = null
    streams = null
    if (state === 'stopped') return
    // What still ran ended with the connection, and nobody is left to say goodbye to.
    if (finishDrain) return finishDrain()
    if (state === 'serving') attempt = 0
    become('waiting')
    const delayMs = backoffMs(attempt++, BACKOFF, random)
    log.info('agent.disconnected', { code, reason, retryMs: delayMs })
    retry = clock.after(delayMs, connect)
  }

  function receive(message: Uint8Array): void {
    try {
      for (const frame of decodeFrames(message)) onFrame(frame)
    } catch (error) {
      log.error('agent.frame_malformed', { message: error instanceof Error ? error.message : String(error) })
      link?.close(1002, 'malformed frame')
    }
  }

  function onFrame(frame: Frame): void {
    switch (frame.type) {
      case FrameType.challenge:
        return prove(Challenge.parse(decodeJson(frame.payload)))
      case FrameType.admit:
        return serve()
      case FrameType.deny:
        return denied(Deny.parse(decodeJson(frame.payload)))
      default:
        streams?.receive(frame)
    }
  }

  function prove({ nonce, gatewayId }: Challenge): void {
    become('proving')
    const text = encoder.encode(helloText({ nonce, gatewayId, nodeId, session }))
    const signature = bytesToHex(crypto.sign(keys.privateKeyHex, text))
    const { agentVersion } = options
    const hello = { protocol: AGENT_PROTOCOL_VERSION, nodeId, session, signature, agentVersion }
    link?.send(encodeJsonFrame(FrameType.hello, 0, hello))
  }

  function denied(deny: Deny): void {
    log.warn('agent.denied', { code: deny.code, message: deny.message })
    switch (deny.code) {
      case 'session_stale':
        session = Math.max(session, (deny.sessionMin ?? session + 1) - 1)
        attempt = 0
        return
      case 'node_unknown':
      case 'replaced':
        return // The gateway may not have heard of this node yet: the next try tells.
      default:
        stop()
        options.onRefused(new Problem('join_refused', `The network refused this node: ${deny.message}`))
    }
  }

  function serve(): void {
    if (!link) return
    admission?.cancel()
    become('serving')
    streams = createAgentStreams(engine, link)
    // Before the offers, so that no request slips in between.
    if (offer.parkedReason !== null) link.send(encodeEmptyFrame(FrameType.drain, 0))
    report()
    beat()
  }

  function report(): void {
    link?.send(offer.report())
  }

  function beat(): void {
    if (state !== 'serving') return
    link?.send(encodeHeartbeatFrame({ slotsBusy: streams?.count() ?? 0, queued: 0 }))
    heartbeat = clock.after(HEARTBEAT_MS, beat)
  }

  function stop(): void {
    if (state === 'stopped') return
    become('stopped')
    retry?.cancel()
    heartbeat?.cancel()
    admission?.cancel()
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
    setAsk(ask) {
      if (offer.setAsk(ask) && state === 'serving') report()
    },
    park(reason) {
      const before = offer.parkedReason
      offer.parkedReason = reason
      if (state !== 'serving' || before === reason) return
      if (before === null) link?.send(encodeEmptyFrame(FrameType.drain, 0))
      report()
    },
    unpark() {
      if (offer.parkedReason === null) return
      offer.parkedReason = null
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
        stop()
        done()
      }
      const deadline = clock.after(graceMs, finish)
      if (state !== 'serving' || !streams) return finish()
      finishDrain = finish
      link?.send(encodeEmptyFrame(FrameType.drain, 0))
      streams.onIdle(finish)
    },
    stop,
  }
}

const bytesToHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
