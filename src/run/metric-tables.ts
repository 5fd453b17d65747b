/** Every metric that a process of the network shows. `docs/operating/observability.md` has them as tables, made from these. */
import type { MetricDefinition } from '#host/metrics.ts'

type Table = Readonly<Record<string, MetricDefinition>>

/** From a model in memory on the same machine to a queue that is nearly given up, in seconds. */
const WAITS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
const PAUSES = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 10]
const DURATIONS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]
const SPEEDS = [1, 2.5, 5, 10, 20, 30, 50, 75, 100, 150, 250, 500, 1_000, 2_500]
const SYNCS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]

export const processMetrics = {
  buildInfo: {
    name: 'shoal_build_info',
    kind: 'gauge',
    help: 'Always 1; its labels say which release and which part of the network this process is.',
    labels: ['version', 'role'],
  },
} as const satisfies Table

export const gatewayMetrics = {
  requests: {
    name: 'shoal_gateway_requests_total',
    kind: 'counter',
    help: 'Requests that ended, by how: completed, cancelled or failed.',
    labels: ['model', 'class', 'outcome'],
  },
  inFlight: {
    name: 'shoal_gateway_requests_in_flight',
    kind: 'gauge',
    help: 'Requests that were let in and have not ended.',
    labels: ['model'],
  },
  refused: {
    name: 'shoal_gateway_refused_total',
    kind: 'counter',
    help: 'Requests that were not let in, or left the queue without a node, by the code of the problem.',
    labels: ['code'],
  },
  duration: {
    name: 'shoal_gateway_request_duration_seconds',
    kind: 'histogram',
    help: 'From the arrival of a request to its end, in seconds.',
    labels: ['model', 'class', 'outcome'],
    buckets: DURATIONS,
  },
  firstToken: {
    name: 'shoal_gateway_time_to_first_token_seconds',
    kind: 'histogram',
    help: 'From the arrival of a request to the first text of its answer, in seconds.',
    labels: ['model', 'class'],
    buckets: WAITS,
  },
  interToken: {
    name: 'shoal_gateway_inter_token_seconds',
    kind: 'histogram',
    help: 'From one token of an answer to the next, in seconds; tokens that came together share their pause.',
    labels: ['model', 'class'],
    buckets: PAUSES,
  },
  speed: {
    name: 'shoal_gateway_request_tokens_per_second',
    kind: 'histogram',
    help: 'Tokens per second of each completed answer, after its first text.',
    labels: ['model', 'class'],
    buckets: SPEEDS,
  },
  tokens: {
    name: 'shoal_gateway_tokens_total',
    kind: 'counter',
    help: 'Tokens as they were metered, when a request ended: of the prompt or of the completion.',
    labels: ['model', 'class', 'type'],
  },
  streamedTokens: {
    name: 'shoal_gateway_streamed_tokens_total',
    kind: 'counter',
    help: 'Tokens of answers, as they came from nodes; those of requests that failed later are counted, too.',
    labels: ['model', 'class'],
  },
  charged: {
    name: 'shoal_gateway_charged_usd_total',
    kind: 'counter',
    help: 'What callers were charged, in US dollars.',
    labels: ['model'],
  },
  waiting: {
    name: 'shoal_gateway_queue_requests',
    kind: 'gauge',
    help: 'Requests that wait for a node.',
    labels: ['model'],
  },
  wait: {
    name: 'shoal_gateway_queue_wait_seconds',
    kind: 'histogram',
    help: 'How long a request waited for a node, in seconds: since it came, or since it lost its node.',
    labels: ['model'],
    buckets: WAITS,
  },
  attempts: {
    name: 'shoal_gateway_attempts_total',
    kind: 'counter',
    help: 'Requests that were given to a node, again ones and hedges included.',
    labels: ['model', 'class'],
  },
  failovers: {
    name: 'shoal_gateway_failovers_total',
    kind: 'counter',
    help: 'Nodes that failed a request which another was then looked for, before its first text or in the middle of it.',
    labels: ['model', 'phase', 'code'],
  },
  hedges: {
    name: 'shoal_gateway_hedges_total',
    kind: 'counter',
    help: 'Second nodes that raced a slow first one: started, and then won, lost or failed.',
    labels: ['model', 'result'],
  },
  ejections: {
    name: 'shoal_gateway_ejections_total',
    kind: 'counter',
    help: 'Nodes that were given no work for a while, by why.',
    labels: ['model', 'reason'],
  },
  ejected: {
    name: 'shoal_gateway_ejected_nodes',
    kind: 'gauge',
    help: 'Nodes that are given no work for a while.',
    labels: ['model'],
  },
  nodes: {
    name: 'shoal_gateway_nodes',
    kind: 'gauge',
    help: 'Agents that are connected to this gateway: online, or suspect since their heartbeats are late.',
    labels: ['state'],
  },
  slots: {
    name: 'shoal_gateway_slots',
    kind: 'gauge',
    help: 'Requests that the nodes ready for work can compute at once.',
    labels: ['model'],
  },
  spoolLag: {
    name: 'shoal_gateway_spool_lag_records',
    kind: 'gauge',
    help: 'Meter readings that are not in the ledger yet.',
    labels: [],
  },
} as const satisfies Table

export const coordinatorMetrics = {
  sequence: {
    name: 'shoal_coordinator_journal_sequence',
    kind: 'gauge',
    help: 'Number of the newest entry of the journal.',
    labels: [],
  },
  epoch: {
    name: 'shoal_coordinator_epoch',
    kind: 'gauge',
    help: 'Grows with each start of the coordinator.',
    labels: [],
  },
  nodes: {
    name: 'shoal_coordinator_nodes',
    kind: 'gauge',
    help: 'Enrolled nodes by presence (online, suspect, absent) and class.',
    labels: ['state', 'class'],
  },
  nodesDrained: {
    name: 'shoal_coordinator_drained_nodes',
    kind: 'gauge',
    help: 'Nodes that get no new work since somebody said so.',
    labels: [],
  },
  nodesBanned: {
    name: 'shoal_coordinator_banned_nodes',
    kind: 'gauge',
    help: 'Nodes that are shut out.',
    labels: [],
  },
  readModelLag: {
    name: 'shoal_coordinator_read_model_lag_entries',
    kind: 'gauge',
    help: 'Entries of the journal that the read models do not show yet.',
    labels: [],
  },
} as const satisfies Table

/** Of jobs, by what they are for: work of customers, probes of quotes, audits of results. */
export const workMetrics = {
  jobs: {
    name: 'shoal_work_jobs',
    kind: 'gauge',
    help: 'Jobs in memory by purpose (work, probe, audit) and status; those that ended leave it a day later.',
    labels: ['purpose', 'status'],
  },
  tasks: {
    name: 'shoal_work_tasks',
    kind: 'gauge',
    help: 'Tasks of jobs that are not over, by purpose and state.',
    labels: ['purpose', 'state'],
  },
  nodes: {
    name: 'shoal_work_nodes',
    kind: 'gauge',
    help: 'Nodes that said lately that they take tasks.',
    labels: [],
  },
  grants: {
    name: 'shoal_work_grants_total',
    kind: 'counter',
    help: 'Tasks that were given to a node, by purpose; again ones and those that race another included.',
    labels: ['purpose'],
  },
  ended: {
    name: 'shoal_work_attempts_ended_total',
    kind: 'counter',
    help: 'Attempts that brought no result, by how they ended: lease_expired, forgotten and timed_out are lost.',
    labels: ['how'],
  },
  rejected: {
    name: 'shoal_work_rejected_total',
    kind: 'counter',
    help: 'Results that did not count after all.',
    labels: [],
  },
  audits: {
    name: 'shoal_work_audits_total',
    kind: 'counter',
    help: 'Results that were given to another owner to be rendered again in part.',
    labels: [],
  },
  reference: {
    name: 'shoal_work_reference_seconds_total',
    kind: 'counter',
    help: 'Seconds of a node of speed 1 that results took, by purpose.',
    labels: ['purpose'],
  },
} as const satisfies Table

/** Of how well nodes work. */
export const reputationMetrics = {
  standing: {
    name: 'shoal_reputation_nodes',
    kind: 'gauge',
    help: 'Enrolled nodes by their standing: good from 0.9 on, fair from 0.5 on, poor below.',
    labels: ['band'],
  },
  barred: {
    name: 'shoal_reputation_nodes_barred',
    kind: 'gauge',
    help: 'Nodes that get no work though they may be here, by why.',
    labels: ['code'],
  },
  halted: {
    name: 'shoal_reputation_versions_halted',
    kind: 'gauge',
    help: 'Versions of the agent that fail far more than others, and get no work with a promise.',
    labels: [],
  },
  failures: {
    name: 'shoal_reputation_failures_total',
    kind: 'counter',
    help: 'Times that a node failed a request, by how: lost, stalled, slow, wrong or failed.',
    labels: ['how'],
  },
  sickened: {
    name: 'shoal_reputation_nodes_sickened_total',
    kind: 'counter',
    help: 'Times that a node was taken out for what its devices told, by what that was.',
    labels: ['code'],
  },
} as const satisfies Table

/** Of the journals that a process writes: a coordinator's own, a gateway's spool. */
export const journalMetrics = {
  flush: {
    name: 'shoal_journal_flush_seconds',
    kind: 'histogram',
    help: 'From handing a group of entries to the journal until it is durable, in seconds.',
    labels: ['journal'],
    buckets: SYNCS,
  },
  entries: {
    name: 'shoal_journal_entries_total',
    kind: 'counter',
    help: 'Entries that were made durable.',
    labels: ['journal'],
  },
} as const satisfies Table

export const agentMetrics = {
  isServing: {
    name: 'shoal_agent_serving',
    kind: 'gauge',
    help: '1 while the agent is connected and takes work, else 0.',
    labels: [],
  },
  requests: {
    name: 'shoal_agent_requests_total',
    kind: 'counter',
    help: 'Requests that the engine ended, by how: completed, cancelled or failed.',
    labels: ['model', 'outcome'],
  },
  inFlight: {
    name: 'shoal_agent_requests_in_flight',
    kind: 'gauge',
    help: 'Requests that the engine has.',
    labels: ['model'],
  },
  tokens: {
    name: 'shoal_agent_tokens_total',
    kind: 'counter',
    help: 'Tokens that the engine read (prompt) and wrote (completion).',
    labels: ['model', 'type'],
  },
  firstToken: {
    name: 'shoal_agent_time_to_first_token_seconds',
    kind: 'histogram',
    help: 'From the arrival of a request at the agent to its first text, in seconds.',
    labels: ['model'],
    buckets: WAITS,
  },
  duration: {
    name: 'shoal_agent_request_duration_seconds',
    kind: 'histogram',
    help: 'From the arrival of a request at the agent to its end, in seconds.',
    labels: ['model', 'outcome'],
    buckets: DURATIONS,
  },
  slots: {
    name: 'shoal_agent_slots',
    kind: 'gauge',
    help: 'Requests that the engine computes at once.',
    labels: ['model'],
  },
} as const satisfies Table

/** All of them, by the part of the network that shows them. */
export const metricTables: Readonly<Record<string, Table>> = {
  'Every process': processMetrics,
  Gateway: gatewayMetrics,
  Coordinator: coordinatorMetrics,
  'Jobs, on a coordinator': workMetrics,
  'Standing of nodes, on a coordinator': reputationMetrics,
  'Journals of a coordinator and of a gateway': journalMetrics,
  Agent: agentMetrics,
}
