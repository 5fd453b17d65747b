/** Commands and readings for tests of promises. */
import type { UsageRecord } from '#protocol/usage.ts'
import { countRecord } from './count-request.ts'
import { decideSla, type SlaCommand, type SlaRefusal } from './decide-sla.ts'
import { evolveSla } from './evolve-sla.ts'
import { checkSla, emptySla, type Sla } from './sla.ts'
import type { SlaEvent } from './sla-events.ts'

/** The first instant of November 2026. */
export const NOVEMBER = Date.UTC(2026, 10)

export interface TestSla {
  readonly sla: Sla
  /** Carries it out; throws when it is refused. */
  run(command: SlaCommand): SlaEvent[]
  refusal(command: SlaCommand): SlaRefusal | null
  /** A request of `acme` under `business` that cost 1,000 unless told otherwise. */
  count(told: Partial<UsageRecord> & { cost?: bigint }): void
}

export function testSla(): TestSla {
  const sla = emptySla()
  let requests = 0
  return {
    sla,
    run(command) {
      const events = decideSla(sla, command)
      if (!Array.isArray(events)) throw new Error(events)
      for (const event of events) evolveSla(sla, event)
      checkSla(sla)
      return events
    },
    refusal(command) {
      const decision = decideSla(sla, command)
      return Array.isArray(decision) ? null : decision
    },
    count({ cost, ...told }) {
      const record = { ...reading, requestId: `req_${++requests}`, ...told }
      const atMs = record.startedAtMs + record.totalMs
      countRecord(sla, { record, cost: cost ?? (record.outcome === 'failed' ? 0n : 1_000n), atMs })
      checkSla(sla)
    },
  }
}

const reading: UsageRecord = {
  requestId: '',
  organisationId: 'acme',
  keyId: 'key_1',
  holdId: 'hold_1',
  model: 'tiny',
  kind: 'chat',
  outcome: 'completed',
  parts: [
    {
      nodeId: 'node_1',
      promptTokens: 10,
      completionTokens: 21,
      promptPerMillion: 1_000n,
      completionPerMillion: 1_000n,
    },
  ],
  startedAtMs: NOVEMBER,
  firstTokenMs: 500,
  totalMs: 1_500,
  decodeMs: 1_000,
  slaClass: 'business',
}
