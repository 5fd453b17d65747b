/**
 * Keeps a cell's process alive. Beside the one that serves stands a spare that has loaded the code already: when the
 * first dies, whatever it was, the spare takes its place within the time that opening a journal takes.
 */
import { type Children, describeExit } from '#engines/child.ts'
import type { Clock } from '#host/host.ts'
import { Problem, type ProblemCode, problemKinds } from '#protocol/problem.ts'
import type { CellConfig, CellMessage, TokenOwner } from './cell-config.ts'
import { CellProcess } from './cell-process.ts'
import { restartPauseMs } from './restart-pause.ts'
import { QUIET } from './telemetry-config.ts'

export type Ready = Extract<CellMessage, { type: 'ready' }>

export interface CellKeeperHooks {
  /** It serves: the first time, and again after each restart. */
  readonly onReady: (ready: Ready) => void
  /** It waits for its turn to lead, at `apiUrl` if it listens meanwhile. */
  readonly onStandby?: (holder: string, apiUrl: string | null) => void
  readonly onToken: (token: string, owner: TokenOwner) => void
  /** There are jobs whose results are checked; told again after each restart. */
  readonly onAuditorsWanted?: () => void
  /** It went down, for the reason that it gave itself or by the way it ended, and is started again. */
  readonly onRestart: (why: Problem | string) => void
  /** It cannot serve until a person changes something. */
  readonly onFailed: (problem: Problem) => void
}

export interface CellKeeper {
  /** Answered by `onToken`, unless the cell dies first. */
  askToken(owner: TokenOwner): void
  /** The agent that `onAuditorsWanted` asked for cannot begin: nothing needs to wait for it. */
  tellAuditorFailed(): void
  stop(): Promise<void>
  /** Ends its processes at once, without asking. */
  kill(): void
}

/** A predecessor that is still closing holds the folder for a moment; the port it gives back before. */
const PREDECESSOR_MS = 10_000
/** The spare loads when the start of the others no longer needs the processor. */
const SPARE_AFTER_MS = 500
const FAILURES_MAX = 5

export function keepCell(
  parts: { children: Children; clock: Clock; module: URL },
  wanted: Omit<CellConfig, 'predecessor'>,
  hooks: CellKeeperHooks,
): CellKeeper {
  const { children, clock, module } = parts
  const startedMs = clock.elapsedMs()
  const { accessLog } = wanted.telemetry ?? QUIET
  const program = { module, sharesStdout: accessLog !== null && accessLog.file === null }
  let current: CellProcess | null = null
  let spare: CellProcess | null = null
  let lastReady: Ready | null = null
  /** A standby has found all that it needs: what fails later may pass, above all while the leader's machine is lost. */
  let hasBeenUp = false
  let isStopping = false
  let onStopped: (() => void) | null = null

  function start(failures: number): void {
    if (isStopping) return
    let isReady = false
    let isStandby = false
    let failure: Problem | null = null
    // The port that the first start was given is kept, so that clients and agents find the network again.
    const { port = wanted.listen.port, localPort = wanted.listen.localPort } = lastReady ?? {}
    const { holder: predecessor = null } = lastReady ?? {}
    const config = { ...wanted, listen: { ...wanted.listen, port, localPort }, predecessor }
    current = spare && !spare.isGone ? spare : new CellProcess(children, program)
    spare = null
    current.start(config, {
      onMessage(message) {
        if (message.type === 'token') hooks.onToken(message.token, message.owner)
        else if (message.type === 'auditors_wanted') hooks.onAuditorsWanted?.()
        else if (message.type === 'failed') failure = toKnownProblem(message)
        else if (message.type === 'standby') {
          hasBeenUp = true
          isStandby = true
          clock.after(SPARE_AFTER_MS, prepareSpare)
          hooks.onStandby?.(message.holder, message.apiUrl)
        } else {
          hasBeenUp = true
          isReady = true
          lastReady = message
          clock.after(SPARE_AFTER_MS, prepareSpare)
          hooks.onReady(message)
        }
      },
      onExit(exit) {
        current = null
        if (isStopping) return onStopped?.()
        const isFirst = !hasBeenUp
        if (failure && lastReady === null && !mayPass(failure)) return hooks.onFailed(failure)
        if (isFirst && failures >= FAILURES_MAX && !failure) {
          return hooks.onFailed(
            new Problem('internal', `The network does not come up: its process ${describeExit(exit)}.`),
          )
        }
        if (!isFirst) hooks.onRestart(failure ?? describeExit(exit))
        // One that stands by and then fails must not begin over and over without a pause.
        const next = isReady || (isStandby && !failure) ? 0 : failures + 1
        if (next === 0) start(0)
        else clock.after(restartPauseMs(next), () => start(next))
      },
    })
  }

  const mayPass = (failure: Problem): boolean =>
    failure.code === 'folder_in_use'
      ? clock.elapsedMs() - startedMs < PREDECESSOR_MS
      : hasBeenUp && failure.retriable

  function prepareSpare(): void {
    if (isStopping || (spare && !spare.isGone)) return
    spare = new CellProcess(children, program)
  }

  start(0)
  return {
    askToken: (owner) => current?.askToken(owner),
    tellAuditorFailed: () => current?.tellAuditorFailed(),
    kill() {
      isStopping = true
      spare?.kill()
      current?.kill()
    },
    stop() {
      isStopping = true
      spare?.stop()
      const cell = current
      if (!cell) return Promise.resolve()
      return new Promise((resolve) => {
        onStopped = resolve
        cell.stop()
      })
    },
  }
}

export function toKnownProblem({ code, message }: { code: string; message: string }): Problem {
  return new Problem(code in problemKinds ? (code as ProblemCode) : 'internal', message)
}
