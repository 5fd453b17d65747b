import type { Agent, ParkHow } from '../agent.ts'

/** Several who may have the node take no work, each for reasons of its own: it works once none of them objects. */
export interface Parking {
  park(who: string, reason: string, how: ParkHow): void
  unpark(who: string): void
  isParked(): boolean
  /** From now on this agent does as they wish; what they wished before is done at once. */
  obey(agent: Parked): void
}
type Parked = Pick<Agent, 'park' | 'unpark'>

const STRICTEST_FIRST: readonly ParkHow[] = ['give_back', 'finish', 'tasks_go_on']

export function createParking(): Parking {
  const wishes = new Map<string, { readonly reason: string; readonly how: ParkHow }>()
  let agent: Parked | null = null
  function settle(): void {
    const [first] = wishes.values()
    if (!first) return agent?.unpark()
    const hows = new Set([...wishes.values()].map(({ how }) => how))
    agent?.park(first.reason, STRICTEST_FIRST.find((how) => hows.has(how)) ?? first.how)
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
    isParked: () => wishes.size > 0,
    obey(its) {
      agent = its
      if (wishes.size > 0) settle()
    },
  }
}
