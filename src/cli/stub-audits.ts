/** What audits found out, for the tests of the commands. */
import type { NodeAudits } from '#protocol/node-audits.ts'

const atMs = Date.UTC(2026, 10, 22, 11)

export const stubAudits = (nodeId: string): NodeAudits => ({
  nodeId,
  auditPercent: 100,
  passes: 3,
  passed: 41,
  doubted: 1,
  unheard: 2,
  tokens: 9_120,
  evidence: 0,
  evidenceMax: 12,
  faults: { too_fast: 1 },
  results: { passed: 41, failed: 1, faults: 1, disputed: 1, wrong: 0, unverified: 2 },
  heldBack: 1_250_000n,
  suspendedUntilMs: atMs + 3_600_000,
  cases: [
    {
      caseId: `${nodeId}:1`,
      atMs,
      penalty: 'pay',
      reason: '2 of its answers as llama3 do not fit that model: nodes of other owners agree on each',
      proofs: [
        {
          auditId: `req_1:${nodeId}:0`,
          model: 'llama3',
          evidence: 8,
          evidenceHash: '5e'.repeat(32),
          atMs,
        },
      ],
      forfeited: 3_000_000n,
      untilMs: atMs + 3_600_000,
      liftedAtMs: null,
    },
  ],
  wayBack: 'It works again when the suspension is over.',
})
