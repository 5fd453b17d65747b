/** Keeps the local agent's process alive. It outlives the cell, and finds the next one by itself. */
import { constants, setPriority } from 'node:os'
import { type Child, type Children, describeExit } from '#engines/child.ts'
import type { Clock } from '#host/host.ts'
import type { Problem } from '#protocol/problem.ts'
import { AgentConfig, AgentMessage } from './agent-config.ts'
import { toKnownProblem } from './cell-keeper.ts'
import { restartPauseMs } from './restart-pause.ts'

export type Serving = Extract<AgentMessage, { type: 'serving' }>

export interface AgentKeeperHooks {
  /** It serves: the first time, and again after each reconnection. */
  readonly onServing: (serving: Serving) => void
  readonly onState: (state: string) => void
  /** Something about the agent that its owner should know. */
  readonly onNote: (text: string) => void
  /** It went down, for the reason that it gave itself or by the way it ended, and is started again. */
  readonly onRestart: (why: Problem | string) => void
  /** It cannot serve until a person changes something. */
  readonly onFailed: (problem: Problem) => void
  /** A token is needed to enrol; give it by `start`. */
  readonly onTokenNeeded: () => void
}

export interface AgentKeeperOptions {
  readonly agent: Omit<AgentConfig, 'apiUrl' | 'token' | 'allowsUnproven'>
  /** Gives way to all else on the machine that has work to do. */
  readonly isNice?: boolean
  /** Whether the agent's folder holds an enrolment at this address already. */
  readonly isEnrolled: (apiUrl: string) => boolean
}

export interface AgentKeeper {
  /** Sees to it that an agent of the network at `apiUrl` runs; `token` enrols it. Harmless while one does. */
  start(apiUrl: string, token: string | null): void
  /** All is to stop: one that ends from now on is not started again. */
  leave(): void
  stop(): Promise<void>
  /** Ends its process at once, without asking. */
  kill(): void
}

/** An agent that an earlier `shoal up` left behind serves on for a while, this network too; ours waits for its folder. */
const OLD_AGENT_MS = 120_000
const OLD_AGENT_POLL_MS = 1_000
/** One that lived this long was not felled by its own start. */
const SOUND_MS = 60_000

export function keepAgent(
  parts: { children: Children; clock: Clock; module: URL },
  options: AgentKeeperOptions,
  hooks: AgentKeeperHooks,
): AgentKeeper {
  const { children, clock, module } = parts
  const startedMs = clock.elapsedMs()
  let agent: Child | null = null
  let failures = 0
  let isStopping = false
  let onStopped: (() => void) | null = null

  function start(apiUrl: string, token: string | null): void {
    if (agent || isStopping) return
    if (token === null && !options.isEnrolled(apiUrl)) return hooks.onTokenNeeded()
    let isUp = false
    let failure: Problem | null = null
    const bornMs = clock.elapsedMs()
    const config = AgentConfig.encode({ ...options.agent, apiUrl, token, allowsUnproven: false })
    agent = children.spawnChild(
      { module, args: [JSON.stringify(config)] },
      {
        onMessage(message) {
          const said = AgentMessage.parse(message)
          if (said.type === 'failed') failure = toKnownProblem(said)
          else if (said.type === 'state') hooks.onState(said.state)
          else if (said.type === 'note') hooks.onNote(said.text)
          else {
            isUp = true
            hooks.onServing(said)
          }
        },
        onExit(exit) {
          agent = null
          if (isStopping) return onStopped?.()
          if (failure?.code === 'folder_in_use' && clock.elapsedMs() - startedMs < OLD_AGENT_MS) {
            hooks.onState('waiting for the agent of the run before, which serves meanwhile')
            return void clock.after(OLD_AGENT_POLL_MS, () => start(apiUrl, token))
          }
          if (failure && !failure.retriable && !isUp) return hooks.onFailed(failure)
          failures = isUp || clock.elapsedMs() - bornMs > SOUND_MS ? 0 : failures + 1
          hooks.onRestart(failure ?? describeExit(exit))
          clock.after(restartPauseMs(failures), () => start(apiUrl, null))
        },
      },
    )
    if (options.isNice) giveWay(agent.pid)
  }

  return {
    start,
    leave() {
      isStopping = true
    },
    kill() {
      isStopping = true
      agent?.kill()
    },
    stop() {
      isStopping = true
      const running = agent
      if (!running) return Promise.resolve()
      return new Promise((resolve) => {
        onStopped = resolve
        running.send({ type: 'stop' })
      })
    },
  }
}

/** What it starts later gives way with it. */
function giveWay(pid: number | null): void {
  if (pid === null) return
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW)
  } catch {
    // It is gone already, and its end is told elsewhere.
  }
}
