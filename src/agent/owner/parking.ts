import type { Agent } from '../agent.ts'
import type { PauseHow } from '../work/task-worker.ts'

/** Several who may have the node take no work, each for reasons of its own: it works once none of them objects. */
export interface Parking {
  park(who: string, reason: string, how: PauseHow): void
  unpark(who: string): void
}

export function createParking(agent: Pick<Agent, 'park' | 'unpark'>): Parking {
  const wishes = new Map<string, { readonly reason: string; readonly how: PauseHow }>()
  function settle(): void {
    const [first] = wishes.values()
    if (!first) return agent.unpark()
    const isUrgent = [...wishes.values()].some(({ how }) => how === 'give_back')
    agent.park(first.reason, isUrgent ? 'give_back' : 'finish')
  }
  return {
    park(who, reason, how) {
      const before = wishes.get(who)
      if (before?.reason === reason && before.how === how) return
      wishes.set(who, { reason, how })
      settle()
    },
    unpark(who) {
      if (wishes.delete(who)) settle()
    },
  }
}
