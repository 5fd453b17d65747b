/** How owners and operators of the simulation get something done: again and again until it is acknowledged. */
import type { CoordinatorState } from '#coordinator/coordinator-state.ts'
import type { Turn } from '#coordinator/turn.ts'
import { assert } from '#kernel/assert.ts'
import { sha256Hex } from './sim-host.ts'
import type { SimWorld } from './sim-world.ts'

const RETRY_MS = 2_000

export interface SimActs {
  /**
   * Does `useCase` until it is acknowledged. It must say `null` also when it happened before. `then` learns the state of
   * the coordinator that acknowledged it: another may be starting by then.
   */
  insist(
    useCase: (turn: Turn) => string | null,
    then: (sequence: number, state: CoordinatorState) => void,
  ): void
  /** Does `run` some time later, which counts as open until then. */
  later(delayMs: number, run: () => void): void
  /** Acts that are not acknowledged, or still to come. */
  open(): number
}

export function createSimActs(world: SimWorld): SimActs {
  const { scheduler } = world
  let open = 0
  return {
    open: () => open,
    insist(useCase, then) {
      open++
      let isDone = false
      const attempt = (): void => {
        if (isDone) return
        const { coordinator } = world
        if (coordinator && world.coordinatorProcess.isAlive) {
          coordinator.execute(useCase, (refusal) => {
            if (isDone) return
            assert(refusal === null, `an act of the simulation is refused: ${refusal}`)
            isDone = true
            open--
            then(coordinator.sequence(), coordinator.state)
          })
        }
        scheduler.after(RETRY_MS, attempt)
      }
      attempt()
    },
    later(delayMs, run) {
      open++
      scheduler.after(delayMs, () => {
        open--
        run()
      })
    },
  }
}

/** The act's line in the log, unless the act happened before. */
export function noteAct(turn: Turn, organisationId: string, act: string): null {
  if (!turn.hasChanged()) return null
  const actor = {
    kind: 'network' as const,
    keyId: null,
    organisationId: null,
    memberId: null,
    serviceAccountId: null,
    scopes: [],
  }
  const done = { objectId: null, details: {}, outcome: 'done' as const, problem: null }
  const entry = {
    organisationId,
    atMs: turn.nowMs,
    actor,
    act,
    ...done,
    requestId: 'sim',
    sourceAddress: null,
  }
  turn.audit({ kind: 'record', note: entry, sha256: sha256Hex })
  return null
}
