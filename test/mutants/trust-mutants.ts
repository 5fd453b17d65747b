/** Bugs planted in what proofs, receipts, audits and credits rest on, which a simulated network must find. */
import { type Mutant, small } from './mutants.ts'

export const trustMutants: readonly Mutant[] = [
  {
    name: 'give-work-to-unproven-nodes',
    file: 'verify/hardware/decide-hardware.ts',
    edits: [
      [
        "return wasHere && !hasFailed ? null : 'unproven'",
        "return wasHere || hasFailed || !hasFailed ? null : 'unproven'",
      ],
    ],
    breaks: 'a node that cannot prove its hardware is paid like one that can',
    world: small({}, { nodes: 12, hasForgers: true }),
    found: /never proved its hardware/,
  },
  {
    name: 'credit-those-who-leave',
    file: 'sla/count.ts',
    edits: [['return isOverdue(record) ? {', 'return isOverdue(record) || record.totalMs >= 0 ? {']],
    breaks: 'whoever gives up his own requests is credited for them',
    world: small({}, { leavePercent: 60 }),
    found: /is credited \d+, and is owed|counts \d+ errors/,
  },
  {
    name: 'forget-what-a-lost-gateway-had-open',
    file: 'sla/evolve-sla.ts',
    edits: [['        countLost(sla, request, event.atMs)\n', '']],
    breaks: 'requests that went down with a gateway are no errors',
    world: small({ gateway_crash: 10_000 }, { thinkMs: 500, nodes: 8 }),
    found: /counts \d+ errors|is credited \d+, and is owed/,
  },
  {
    name: 'tell-refusals-again',
    file: 'gateway/sla-desk.ts',
    edits: [['    refusals = new Map()\n', '']],
    breaks: 'a request that was refused once is an error every five seconds from then on',
    world: small({}, { nodes: 1, clients: 24, thinkMs: 200, loadMs: 60_000 }),
    found: /refusals are told, and \d+ calls got no answer/,
  },
  {
    name: 'blame-the-caller-for-failures',
    file: 'gateway/sla-desk.ts',
    edits: [['onlyOwner(model) === organisationId', 'onlyOwner(model) !== organisationId']],
    breaks: 'what the network failed is taken for what the caller’s own nodes failed, and never credited',
    world: small({}, { nodes: 1, clients: 24, thinkMs: 200, loadMs: 60_000 }),
    found: /fails at its own nodes, and has none/,
  },
  {
    name: 'hear-an-audit-twice',
    file: 'verify/decide-answers.ts',
    edits: [
      [
        "if (sequence <= newestReport(answers, gatewayId, start)) return 'report_repeated'",
        "if (sequence < 0) return 'report_repeated'",
      ],
    ],
    breaks: 'a report of audits that comes twice counts twice',
    world: small({}, { nodes: 8, busDuplicatePer10k: 8_000, busLossPer10k: 500 }),
    found: /a report of .* counts twice/,
  },
  {
    name: 'pay-out-before-anybody-looked',
    file: 'verify/answer-rules.ts',
    edits: [
      ['if (passes < FIRST_CHECKED || evidenceMilli', 'if (evidenceMilli'],
      ['if (isBacked && window.untilMs < passedAtMs)', 'if (isBacked || window.untilMs >= 0)'],
    ],
    breaks: 'pay that stands in for answers goes out before any later answer was looked at',
    world: small({}, { nodes: 8, thinkMs: 500 }),
    found: /is paid out (after \d+ passes|for what nobody looked behind)/,
  },
  {
    name: 'forget-the-link-before',
    file: 'gateway/receipts/node-chain.ts',
    edits: [['number, before: this.#hash, receipt })', 'number, before: this.id, receipt })']],
    breaks: 'receipts of a chain stand each for itself, so one can be left out',
    world: small({}, {}),
    found: /the link of receipt|is of what was billed|disputes|not signed by their nodes/,
  },
]
