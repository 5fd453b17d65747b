/** Keeps the processes of `shoal up` alive: the cell, and the local agent beside it. */
import type { Children } from '#engines/child.ts'
import type { Clock } from '#host/host.ts'
import type { Problem } from '#protocol/problem.ts'
import { type AgentKeeperOptions, keepAgent, type Serving } from './agent-keeper.ts'
import type { CellConfig } from './cell-config.ts'
import { keepCell, type Ready } from './cell-keeper.ts'

export interface SupervisorHooks {
  readonly onReady: (ready: Ready) => void
  readonly onStandby: (holder: string) => void
  readonly onServing: (serving: Serving) => void
  readonly onAgentState: (state: string) => void
  readonly onAgentNote: (text: string) => void
  /** The local node serves no more, or never will, until a person changes something: the network goes on without it. */
  readonly onAgentLost: (problem: Problem) => void
  /** Of the agent that checks: the network goes on without it. */
  readonly onReferenceNote: (text: string) => void
  readonly onRestart: (what: 'coordinator' | 'agent', why: Problem | string) => void
  /** Nothing serves any more, and only a person can change that. */
  readonly onFailed: (problem: Problem) => void
}

export interface SupervisorOptions {
  readonly cell: Omit<CellConfig, 'predecessor'>
  /** Null: no agent on this machine. */
  readonly agent: AgentKeeperOptions | null
  /** The operator's own agent that checks what others render, begun once there is something to check. Null: there is none. */
  readonly reference: AgentKeeperOptions | null
}

export interface Supervisor {
  /** Stops in order: the network first, so that what runs can end, then the agent. */
  stop(): Promise<void>
  /** Ends everything at once; what was acknowledged is kept all the same. */
  kill(): void
}

export function startSupervisor(
  parts: { children: Children; clock: Clock; modules: { cell: URL; agent: URL } },
  options: SupervisorOptions,
  hooks: SupervisorHooks,
): Supervisor {
  const { children, clock, modules } = parts
  let apiUrl = ''
  let hasServed = false
  const agent =
    options.agent &&
    keepAgent({ children, clock, module: modules.agent }, options.agent, {
      onServing(serving) {
        hasServed = true
        hooks.onServing(serving)
      },
      onState: hooks.onAgentState,
      onNote: hooks.onAgentNote,
      onRestart: (why) => hooks.onRestart('agent', why),
      // One that cannot begin as it was asked to ends the start; one that is not let in, or that served, is no reason to stop others.
      onFailed: (problem) =>
        hasServed || problem.code === 'join_refused' ? hooks.onAgentLost(problem) : hooks.onFailed(problem),
      onTokenNeeded: () => cell.askToken('founder'),
    })
  const reference =
    options.reference &&
    keepAgent({ children, clock, module: modules.agent }, options.reference, {
      onServing: () => undefined,
      onState: () => undefined,
      onNote: hooks.onReferenceNote,
      onRestart: (why) => hooks.onReferenceNote(`restarts: ${typeof why === 'string' ? why : why.message}`),
      onFailed({ message }) {
        hooks.onReferenceNote(message)
        cell.tellAuditorFailed()
      },
      onTokenNeeded: () => cell.askToken('reference'),
    })
  const config = { ...options.cell, hasReference: reference !== null }
  const cell = keepCell({ children, clock, module: modules.cell }, config, {
    onReady(ready) {
      apiUrl = ready.apiUrl
      hooks.onReady(ready)
      agent?.start(apiUrl, null)
    },
    onStandby: hooks.onStandby,
    onToken: (token, owner) => (owner === 'founder' ? agent : reference)?.start(apiUrl, token),
    onAuditorsWanted: () => reference?.start(apiUrl, null),
    onRestart: (why) => hooks.onRestart('coordinator', why),
    onFailed: hooks.onFailed,
  })
  return {
    async stop() {
      // A signal to the whole group ends them before the network, which is stopped first, has ended.
      agent?.leave()
      reference?.leave()
      await cell.stop()
      await Promise.all([agent?.stop(), reference?.stop()])
    },
    kill() {
      cell.kill()
      agent?.kill()
      reference?.kill()
    },
  }
}
