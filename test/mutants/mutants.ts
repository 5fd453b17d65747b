/**
 * Bugs, planted one at a time, that the simulator must find. Each is an edit of one source text, what it breaks, a small
 * world in which one of a few pinned seeds finds it, and the check that does. The texts stand here as they stand in the source: an
 * edit that fits no longer fails the test, so that no mutant dies unnoticed.
 */
import { MINUTE_MS } from '#kernel/time.ts'
import type { FaultKind, SimPlan } from '#sim/sim-plan.ts'
import { faultKinds } from '#sim/sim-plan.ts'

export interface PlantedBug {
  readonly name: string
  /** Below `src`. */
  readonly file: string
  /** Each text stands in the file once and is replaced. */
  readonly edits: readonly (readonly [text: string, instead: string])[]
  /** What the bug does. */
  readonly breaks: string
  /** Pinned seeds: one of the first so many finds it; a dozen, unless the bug needs more luck. */
  readonly seeds?: number
  /** What the check says that finds it. */
  readonly found: RegExp
}

/** One that a small network finds. */
export interface Mutant extends PlantedBug {
  readonly world: Partial<SimPlan>
}

export const PINNED_SEEDS = 12

/** A small network in which only the given faults strike, each about so often. */
export const small = (
  faultEveryMs: Partial<Record<FaultKind, number>>,
  part: Partial<SimPlan> = {},
): Partial<SimPlan> => ({
  nodes: 4,
  gateways: 1,
  clients: 4,
  thinkMs: 2_000,
  balanceUsd: 50,
  loadMs: 3 * MINUTE_MS,
  skewMsMax: 0,
  faultEveryMs: Object.fromEntries(
    faultKinds.map((kind) => [kind, faultEveryMs[kind] ?? null]),
  ) as SimPlan['faultEveryMs'],
  ...part,
})

export const mutants: readonly Mutant[] = [
  {
    name: 'serve-a-revoked-key',
    file: 'coordinator/feed.ts',
    edits: [["    case 'organisation.key_revoked':\n", '']],
    breaks: 'gateways never hear that a key was revoked',
    world: small({}, { administers: true }),
    found: /has ended, and still opens/,
  },
  {
    name: 'serve-an-expired-key',
    file: 'gateway/directory.ts',
    edits: [['cellNowMs() < key.expiresAtMs', 'true']],
    breaks: 'a key opens until its end was noted and told, not until its end',
    world: small({ bus_cut: 20_000 }, { administers: true }),
    found: /has ended, and still opens/,
  },
  {
    name: 'acknowledge-before-the-flush',
    file: 'coordinator/coordinator.ts',
    edits: [['replies.push({ sequence, run })', 'run()']],
    breaks: 'replies leave before what they say is on the disk',
    world: small({ coordinator_crash: 5_000, disk_slow: 5_000 }),
    found:
      /was acknowledged and lost|never billed|never reached the ledger|readings that are not in the ledger|although its hold is open|and not the one before it/,
  },
  {
    name: 'effects-before-durability',
    file: 'coordinator/coordinator.ts',
    edits: [
      [
        'if (!replies[0] || replies[0].sequence > durable ',
        'if (!replies[0] || replies[0].sequence > sequence ',
      ],
      [
        'while (replies[0] && replies[0].sequence <= durable) {',
        'while (replies[0] && replies[0].sequence <= sequence) {',
      ],
      ['(pending) => pending.sequence > durable', '(pending) => pending.sequence > sequence'],
    ],
    breaks: 'a flush lets out the replies of turns that came after it',
    world: small({ coordinator_crash: 5_000, disk_slow: 5_000 }, { thinkMs: 800 }),
    found:
      /was acknowledged and lost|never billed|never reached the ledger|readings that are not in the ledger|takes other money|and not the one before it/,
  },
  {
    name: 'ignore-a-failed-flush',
    file: 'coordinator/coordinator.ts',
    edits: [['if (problem) return die(problem)', '']],
    breaks: 'a coordinator whose disk failed, or that was taken over, goes on',
    world: small({ sync_failure: 20_000 }),
    found: /lives on, although its journal refused it/,
  },
  {
    name: 'skip-the-fence',
    file: 'sim/sim-disk.ts',
    edits: [['if (stored.epoch !== epoch)\n', 'if (stored.epoch < epoch)\n']],
    breaks: 'a store that lets a coordinator write after another one has taken over',
    world: small({ coordinator_takeover: 20_000 }),
    found: /entries land without gaps|follows one of epoch/,
  },
  {
    name: 'lose-the-second-deciders-event',
    file: 'coordinator/turn.ts',
    edits: [
      [
        '    evolve(state, event)\n    events.push(event)\n',
        "    evolve(state, event)\n    const domain = event.type.split('.')[0]\n    if (events.every((other) => other.type.startsWith(domain))) events.push(event)\n",
      ],
    ],
    breaks: 'of a turn that asks two deciders only the events of the first reach the journal',
    world: small({}),
    found: /replay|exists, for decide checked it/,
  },
  {
    name: 'snapshot-of-the-next-entry',
    file: 'coordinator/coordinator.ts',
    edits: [
      [
        'snapshot = text === null ? null : { text, sequence }',
        'snapshot = text === null ? null : { text, sequence: sequence + 1 }',
      ],
    ],
    breaks: 'a start from a snapshot leaves out one entry',
    world: small({ coordinator_crash: 20_000 }),
    found:
      /replay from empty gives the live state|exists, for decide checked it|exactly what is left of it|is overdrawn/,
  },
  {
    name: 'trust-the-wall-clock',
    file: 'coordinator/coordinator.ts',
    edits: [
      [
        'return () => Math.floor(startMs + clock.elapsedMs())',
        'return () => Math.floor(startMs * 0 + clock.nowMs())',
      ],
    ],
    breaks: 'a wall clock that is set ends slices and graces, or prolongs them',
    world: small({ clock_jump: 20_000 }),
    found: /cell time jumps|time went back/,
  },
  {
    name: 'forget-hold-expiry',
    file: 'coordinator/gateways.ts',
    edits: [['if (!mayExpireHolds) return', 'return']],
    breaks: 'what a dead gateway had borrowed never comes back',
    world: small({ gateway_crash: 30_000 }),
    found: /holds are open/,
  },
  {
    name: 'lend-a-slice-before-it-expired',
    file: 'ledger/ledger.ts',
    edits: [['HOLD_EXPIRY_GRACE_MS = 60_000', 'HOLD_EXPIRY_GRACE_MS = -30_000']],
    breaks: 'money is lent again while the gateway that has it still may spend it',
    world: small({ gateway_crash: 30_000 }),
    found: /ms too early/,
  },
  {
    name: 'expire-holds-at-once-after-a-start',
    file: 'coordinator/coordinator-service.ts',
    edits: [['const HOLDS_SAFE_MS = 60_000', 'const HOLDS_SAFE_MS = 0']],
    breaks: 'a coordinator that was away takes slices from gateways that served on',
    world: small({ coordinator_crash: 15_000, gateway_crash: 30_000 }, { skewMsMax: 10 * MINUTE_MS }),
    found: /after the coordinator's start/,
  },
  {
    name: 'double-post-on-retry',
    file: 'ledger/decide-ledger.ts',
    edits: [['  if (earlier) {\n', '  if (earlier && amount < 0n) {\n']],
    breaks: 'a deposit that is asked for twice is booked twice',
    world: small({ coordinator_crash: 4_000, disk_slow: 3_000 }),
    found: /happened twice/,
  },
  {
    name: 'skip-the-sequence-check',
    file: 'coordinator/apply-usage.ts',
    edits: [
      ['const next = turn.state.ledger.spools.get(batch.spoolId) ?? 1', 'const next = batch.firstSequence'],
      [
        "turn.ledger({ kind: 'advance_spool', ...advance })",
        "turn.ledger({ kind: 'advance_spool', ...advance, firstSequence: turn.state.ledger.spools.get(batch.spoolId) ?? 1 })",
      ],
    ],
    breaks: 'a batch that comes twice is billed twice',
    world: small({}, { busDuplicatePer10k: 2_000 }),
    found: /is in the ledger twice|were paid by copies/,
  },
  {
    name: 'apply-a-batch-of-a-reused-spool',
    file: 'gateway/spool-numbers.ts',
    edits: [
      [
        "spoolId: formatId('spool', secrets.randomBytes(ID_BYTES)),",
        "spoolId: formatId('spool', new Uint8Array(ID_BYTES)),",
      ],
    ],
    breaks: 'a gateway on a new disk counts from one under an id that the ledger knows',
    world: small({ disk_replaced: 20_000 }),
    found: /never billed|never reached the ledger|readings that are not in the ledger/,
  },
  {
    name: 'one-spool-for-all-runs',
    file: 'gateway/spool-numbers.ts',
    edits: [
      [
        'return keep(parts, [...needed, newSpool(parts, journal.lastSequence)])',
        'return keep(parts, earlier)',
      ],
    ],
    breaks: 'a spool that was put back from a backup gives new readings numbers that the ledger has seen',
    world: small({ disk_restored: 10_000 }),
    found: /never billed|never reached the ledger|billed twice|readings that are not in the ledger/,
  },
  {
    name: 'end-before-the-meter-is-durable',
    file: 'gateway/usage-spool.ts',
    edits: [
      ['        done(sequence)\n', ''],
      [
        'const sequence = journal.lastSequence\n',
        'const sequence = journal.lastSequence\n      done(sequence)\n',
      ],
    ],
    breaks: 'the caller sees the end of an answer whose bill may be lost',
    world: small({ power_cut: 5_000, disk_slow: 5_000 }),
    found: /was never billed|never reached the ledger/,
  },
  {
    name: 'drop-a-batch-without-an-answer',
    file: 'gateway/usage-spool.ts',
    edits: [
      [
        'if (!reply) return void clock.after(RETRY_MS, send)',
        'if (!reply) return void waiting.splice(0, texts.length)',
      ],
    ],
    breaks: 'readings whose acknowledgement was lost are forgotten',
    world: small({ coordinator_crash: 10_000 }),
    found: /never billed|never reached the ledger|readings that are not in the ledger/,
  },
  {
    name: 'admit-on-a-dying-slice',
    file: 'gateway/slices.ts',
    edits: [['clock.elapsedMs() < slice.expiresAtMs - STOP_BEFORE_EXPIRY_MS', 'slice.lent >= 0n']],
    breaks: 'a gateway that is cut off spends money that is lent to another by then',
    world: small({ bus_cut: 30_000 }, { loadMs: 12 * MINUTE_MS }),
    found: /after its slice was lent, and was let in/,
  },
  {
    name: 'spend-a-slice-twice',
    file: 'gateway/slices.ts',
    edits: [['      slice.spent += cost\n', '']],
    breaks: 'a slice never runs dry',
    world: small({}, { askFactor: 5_000 }),
    found: /takes other money, although its hold is/,
  },
  {
    name: 'return-a-slice-before-its-bills',
    file: 'gateway/slices.ts',
    edits: [
      [
        'slice.reserved === 0n && slice.newestSequence <= options.acknowledgedSequence()',
        'slice.reserved === 0n',
      ],
    ],
    breaks: 'bills come in after the money that was set aside for them went back',
    world: small({ bus_cut: 10_000 }, { thinkMs: 20_000, busLossPer10k: 4_000, loadMs: 6 * MINUTE_MS }),
    found: /takes other money, although its hold is released/,
  },
  {
    name: 'begin-again-instead-of-going-on',
    file: 'gateway/request-run.ts',
    edits: [['this.#answer.rest(engine)', 'engine']],
    breaks: 'the caller reads the beginning of its answer twice',
    world: small({ engine_crash: 5_000 }),
    found: /no token is lost, repeated or foreign|a finished answer is whole|usage counts/,
  },
  {
    name: 'bill-a-failed-request',
    file: 'gateway/request-run.ts',
    edits: [["const parts = outcome === 'failed' ? [] : this.#parts()", 'const parts = this.#parts()']],
    breaks: 'a caller pays for an answer that broke off',
    world: small({ agent_crash: 5_000 }, { nodes: 2 }),
    found: /failed, and yet costs/,
  },
  {
    name: 'hear-late-news-of-an-old-session',
    file: 'fleet/decide-fleet.ts',
    edits: [["  if (session < node.session) return 'session_stale'\n", '']],
    breaks: 'a connection that is long gone raises its node from the dead',
    world: small({ agent_crash: 500, bus_cut: 5_000 }, { nodes: 12, gateways: 3 }),
    found: /is online by session|the coordinator sees|is \w+$|are not signed by their nodes/,
  },
  {
    name: 'lose-a-node-without-grace',
    file: 'fleet/decide-fleet.ts',
    edits: [["if (reason !== 'left' && !isGraceOver) return 'grace_not_over'", '']],
    breaks: 'a node whose connection hiccups is lost at once',
    world: small({ agent_crash: 10_000 }),
    found: /ms of suspicion/,
  },
  {
    name: 'count-a-restored-gateway-as-old',
    file: 'coordinator/gateways.ts',
    edits: [
      [
        'return { epoch, refused: [], incarnationMin: record.incarnation + 1 }',
        'return { epoch, refused: [] }',
      ],
    ],
    breaks: 'the nodes of a gateway that came back on an older disk stay lost',
    world: small({ disk_replaced: 20_000 }),
    found: /the coordinator sees \w+ as|receipts are not signed by their nodes/,
  },
  {
    name: 'trust-a-nodes-own-clock',
    file: 'agent/agent.ts',
    edits: [['session = Math.max(session, step.sessionMin - 1)', 'session = Math.max(1, clock.nowMs())']],
    breaks: 'a node whose clock went back stays outside',
    world: small({ agent_crash: 10_000 }, { skewMsMax: 60 * MINUTE_MS }),
    found: /is (waiting|connecting|proving|down)$|the coordinator sees|are not signed by their nodes/,
  },
  {
    name: 'give-up-after-a-lost-connection',
    file: 'agent/agent.ts',
    edits: [
      ['retry = clock.after(delayMs, connect)', 'if (attempt < 4) retry = clock.after(delayMs, connect)'],
    ],
    breaks: 'an agent whose gateway is away for a while never comes back',
    world: small({ gateway_crash: 20_000 }),
    found: /is (waiting|connecting|proving|down)$|the coordinator sees|are not signed by their nodes/,
  },
  {
    name: 'hear-a-stream-that-was-given-up',
    file: 'gateway/node-connection.ts',
    edits: [['streams.close(stream) && !isClosed && link.send(', '!isClosed && link.send(']],
    breaks: 'two nodes write into one answer',
    world: small({ engine_slow: 2_000 }, { thinkMs: 500, loadMs: 6 * MINUTE_MS }),
    seeds: 40,
    found:
      /has two outcomes|is told of while it is open|no token is lost, repeated or foreign|a finished answer is whole|usage counts every token of the answer/,
  },
  {
    name: 'apply-old-presence-reports',
    file: 'coordinator/gateways.ts',
    edits: [['if (isSameStart && report.sequence <= record.sequence) return { epoch, refused: [] }', '']],
    breaks: 'late news overtakes newer news',
    world: small({ agent_stop: 500 }, { nodes: 20, busDuplicatePer10k: 8_000, busDelayMsMax: 3_000 }),
    found: /the coordinator sees/,
  },
  {
    name: 'round-the-price-down',
    file: 'kernel/money.ts',
    edits: [['return (dividend + divisor - 1n) / divisor', 'return dividend / divisor']],
    breaks: 'each request is billed up to a nano-dollar too little',
    world: small({}),
    found: /costs \d+ with a fee of \d+, not/,
  },
]
