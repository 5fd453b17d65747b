/**
 * Keeps the processes of `shoal up` alive: the cell, and the local agent beside it. A process that dies is started
 * again at once, then with growing pauses while it does not even come up; one that says that only a person can help
 * ends the network. The agent outlives the cell and finds the new one by itself.
 */
import type { Child, Children } from '#engines/child.ts'
import { describeExit } from '#engines/child.ts'
import type { Clock } from '#host/host.ts'
import { NanoUsd } from '#protocol/money.ts'
import { Problem, type ProblemCode, problemKinds } from '#protocol/problem.ts'
import type { AgentConfig } from './agent-config.ts'
import { AgentMessage } from './agent-config.ts'
import { type CellConfig, CellMessage, type CellOrder } from './cell-config.ts'

export type Ready = Extract<CellMessage, { type: 'ready' }>
export type Serving = Extract<AgentMessage, { type: 'serving' }>

export interface SupervisorHooks {
  /** The cell serves: the first time, and again after each restart. */
  readonly onReady: (ready: Ready) => void
  /** The local node serves: the first time, and again after each reconnection. */
  readonly onServing: (serving: Serving) => void
  readonly onAgentState: (state: string) => void
  readonly onRestart: (what: 'coordinator' | 'agent', why: string) => void
  /** Nothing runs any more, and only a person can change that. */
  readonly onFailed: (problem: Problem) => void
}

export interface SupervisorOptions {
  readonly cell: CellConfig
  /** Null: no local agent. `apiUrl` and `token` are filled in from the cell. */
  readonly agent: Omit<AgentConfig, 'apiUrl' | 'token'> | null
  /** Whether the agent's folder holds an enrolment at this address already. */
  readonly isEnrolled: (apiUrl: string) => boolean
}

export interface Supervisor {
  /** Stops in order: the network first, so that what runs can end, then the agent. */
  stop(): Promise<void>
}

const RESTART_MS_MIN = 200
const RESTART_MS_MAX = 5_000
/** A predecessor that is still closing holds the folder and the port for a moment. */
const PREDECESSOR_MS = 10_000
/** Codes that a restart may cure while a predecessor is leaving. */
const passing = new Set<string>(['folder_in_use', 'port_taken'])
/** An agent of an earlier `shoal up` serves on for this long; ours waits for its folder. */
const OLD_AGENT_MS = 100_000

type Parts = { children: Children; clock: Clock; modules: { cell: URL; agent: URL } }

export function startSupervisor(
  parts: Parts,
  options: SupervisorOptions,
  hooks: SupervisorHooks,
): Supervisor {
  const { clock, children, modules } = parts
  const startedMs = clock.elapsedMs()
  let isStopping = false
  let cell: Child | null = null
  let agent: Child | null = null
  let ready: Ready | null = null
  const gone = { cell: [] as (() => void)[], agent: [] as (() => void)[] }

  function startCell(attempt: number): void {
    if (isStopping) return
    let isUp = false
    let failure: Problem | null = null
    const { dataFolder, port } = options.cell
    // The port that the first start was given is kept, so that clients and agents find the network again.
    const config = {
      ...options.cell,
      port: ready?.port ?? port,
      testBalance: NanoUsd.encode(options.cell.testBalance),
    }
    cell = children.spawnChild(
      { module: modules.cell, args: [JSON.stringify(config)] },
      {
        onMessage(message) {
          const said = CellMessage.parse(message)
          if (said.type === 'failed') failure = toKnownProblem(said)
          else if (said.type === 'token') startAgent(said.token, 0)
          else {
            isUp = true
            ready = said
            hooks.onReady(said)
            if (!agent) introduceAgent()
          }
        },
        onExit(exit) {
          cell = null
          for (const run of gone.cell.splice(0)) run()
          if (isStopping) return
          const isPassing = failure !== null && passing.has(failure.code)
          const mayPass = isPassing && clock.elapsedMs() - startedMs < PREDECESSOR_MS
          if (failure && !isUp && !mayPass && ready === null) return giveUp(failure)
          const next = isUp ? 0 : attempt + 1
          const delayMs = next === 0 ? 0 : Math.min(RESTART_MS_MIN * 2 ** (next - 1), RESTART_MS_MAX)
          if (ready !== null) hooks.onRestart('coordinator', failure?.message ?? describeExit(exit))
          else if (attempt > 4 && !failure)
            return giveUp(
              new Problem(
                'internal',
                `The network of ${dataFolder} does not come up: it ${describeExit(exit)}.`,
              ),
            )
          clock.after(delayMs, () => startCell(next))
        },
      },
    )
  }

  function introduceAgent(): void {
    if (!options.agent || !ready || isStopping) return
    if (options.isEnrolled(ready.apiUrl)) startAgent(null, 0)
    else cell?.send({ type: 'token' } satisfies CellOrder)
  }

  function startAgent(token: string | null, attempt: number): void {
    if (!options.agent || !ready || isStopping || agent) return
    let isUp = false
    let failure: Problem | null = null
    const bornMs = clock.elapsedMs()
    const askPerGpuHour = NanoUsd.encode(options.agent.askPerGpuHour)
    const config = { ...options.agent, askPerGpuHour, apiUrl: ready.apiUrl, token }
    agent = children.spawnChild(
      { module: modules.agent, args: [JSON.stringify(config)] },
      {
        onMessage(message) {
          const said = AgentMessage.parse(message)
          if (said.type === 'failed') failure = toKnownProblem(said)
          else if (said.type === 'state') hooks.onAgentState(said.state)
          else {
            isUp = true
            hooks.onServing(said)
          }
        },
        onExit(exit) {
          agent = null
          for (const run of gone.agent.splice(0)) run()
          if (isStopping) return
          const isWaiting = failure?.code === 'folder_in_use' && clock.elapsedMs() - startedMs < OLD_AGENT_MS
          if (isWaiting) {
            // It serves the new cell as it served the old one.
            hooks.onAgentState('waiting for the agent of the network before')
            return void clock.after(1_000, () => introduceAgent())
          }
          if (failure && !failure.retriable && !isUp) return giveUp(failure)
          hooks.onRestart('agent', failure?.message ?? describeExit(exit))
          const next = isUp || clock.elapsedMs() - bornMs > 60_000 ? 0 : attempt + 1
          const delayMs = next === 0 ? 0 : Math.min(RESTART_MS_MIN * 2 ** (next - 1), RESTART_MS_MAX)
          clock.after(delayMs, () => {
            if (ready && options.isEnrolled(ready.apiUrl)) startAgent(null, next)
            else introduceAgent()
          })
        },
      },
    )
  }

  function giveUp(problem: Problem): void {
    hooks.onFailed(problem)
  }

  const exited = (which: 'cell' | 'agent'): Promise<void> =>
    (which === 'cell' ? cell : agent) === null
      ? Promise.resolve()
      : new Promise((resolve) => void gone[which].push(resolve))

  startCell(0)
  return {
    async stop() {
      isStopping = true
      const cellGone = exited('cell')
      cell?.send({ type: 'stop' } satisfies CellOrder)
      await cellGone
      const agentGone = exited('agent')
      agent?.send({ type: 'stop' })
      await agentGone
    },
  }
}

function toKnownProblem({ code, message }: { code: string; message: string }): Problem {
  return new Problem(code in problemKinds ? (code as ProblemCode) : 'internal', message)
}
