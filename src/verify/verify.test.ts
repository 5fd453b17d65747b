import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createRandom } from '#kernel/random.ts'
import { decideVerify, type LookCommand, type VerifyCommand, type VerifyRefusal } from './decide-verify.ts'
import { evolveVerify } from './evolve-verify.ts'
import { agedPay } from './holdback.ts'
import {
  auditByOf,
  checkVerify,
  emptyVerify,
  keyOf,
  type ResultPlace,
  recordOf,
  type Verify,
} from './verify.ts'
import { type AuditBy, VerifyEvent } from './verify-events.ts'

describe('a node’s record', () => {
  test('straight passes make it rarer that it is looked at, and one fault takes them all', () => {
    const { verify, honest, look } = setup()
    for (let fence = 1; fence <= 10; fence++) {
      assert.equal(look(fence, { drawBps: 9_999 }), 'audited')
      honest(fence)
    }
    assert.equal(look(11, { drawBps: 9_999 }), 'passed_over')
    assert.equal(look(12, { drawBps: 909 }), 'audited')
    assert.equal(look(13, { faults: ['size_wrong'] }), 'bad')
    assert.equal(recordOf(verify, 'n').passes, 0)
    assert.equal(look(14, { drawBps: 9_999 }), 'audited')
  })

  test('audits that are under way count as passed, until one ends otherwise', () => {
    const { look, take } = setup()
    for (let fence = 1; fence <= 10; fence++) {
      assert.equal(look(fence, { drawBps: 9_999, nodeId: suspect.nodeId }), 'audited')
      take({ kind: 'open_audit', place: placeOf(fence), ...suspect, nowMs: 1 })
    }
    assert.equal(look(11, { drawBps: 9_999, nodeId: suspect.nodeId }), 'passed_over')
    take({ kind: 'close', auditId: keyOf(placeOf(1)), verdict: 'nobody', nowMs: 1 })
    assert.equal(look(12, { drawBps: 9_999, nodeId: suspect.nodeId }), 'audited')
  })

  test('a doubt is as good as having been drawn, and what nobody can audit is counted as unseen', () => {
    const { verify, honest, look } = setup()
    for (let fence = 1; fence <= 10; fence++) {
      look(fence, {})
      honest(fence)
    }
    assert.equal(look(11, { drawBps: 9_999, doubts: ['black'] }), 'audited')
    assert.equal(look(12, { drawBps: 9_999, doubts: ['black'], canAudit: false }), 'unseen')
    assert.equal(look(13, { drawBps: 9_999, canAudit: false }), 'passed_over')
    assert.equal(verify.jobs.get('j')?.unverified, 1)
  })
})

describe('an audit', () => {
  test('refuses, in order', () => {
    const { refused, take } = setup()
    const place = placeOf(1)
    const hear = {
      kind: 'hear',
      auditId: keyOf(place),
      auditJobId: 'x',
      nodeId: 'm',
      organisationId: 'other',
    } as const
    const says = { says: 'same', agrees: null, detail: '', outputs: [], nowMs: 1 } as const
    refused('audit_unknown', { ...hear, ...says })
    take({ kind: 'open_audit', place, ...suspect, nowMs: 1 })
    refused('audit_open', { kind: 'open_audit', place, ...suspect, nowMs: 1 })
    refused('opinion_unasked', { ...hear, ...says })
    take({ kind: 'ask', auditId: keyOf(place), auditJobId: 'x', by: 'crops', nowMs: 1 })
    refused('opinion_own', { ...hear, ...says, organisationId: 'own' })
    take({ ...hear, ...says })
    refused('audit_unknown', { ...hear, ...says })
  })

  test('an opinion that came twice counts once', () => {
    const { verify, take, refused } = setup()
    const place = placeOf(1)
    take({ kind: 'open_audit', place, ...suspect, nowMs: 1 })
    take({ kind: 'ask', auditId: keyOf(place), auditJobId: 'x', by: 'crops', nowMs: 1 })
    const hear: VerifyCommand = {
      kind: 'hear',
      auditId: keyOf(place),
      auditJobId: 'x',
      nodeId: 'm',
      organisationId: 'other',
      says: 'different',
      agrees: null,
      detail: '',
      outputs: [],
      nowMs: 1,
    }
    take(hear)
    refused('opinion_unasked', hear)
    assert.equal(verify.audits.get(keyOf(place))?.opinions.length, 1)
  })

  test('a liar falls back to the beginning, and who accused falsely loses its standing', () => {
    const { verify, look, honest, opinion } = setup()
    for (let fence = 1; fence <= 12; fence++) {
      look(fence, {})
      honest(fence)
    }
    look(13, {})
    opinion(13, 'm', 'different', null)
    opinion(13, 'm', 'different', null, { by: 'frame' })
    opinion(13, 'o', 'same', false, { by: 'frame' })
    assert.deepEqual([recordOf(verify, 'n').passed, recordOf(verify, 'm').wrong], [13, 1])
    look(14, {})
    opinion(14, 'm', 'different', null, { by: 'frame' })
    opinion(14, 'o', 'different', true, { by: 'frame' })
    const { passes, failed } = recordOf(verify, 'n')
    assert.deepEqual([passes, failed], [0, 1])
  })

  test('crops of one frame that told prove nothing of the next: who differs there is no liar, and who says so not wrong', () => {
    const { verify, look, honest, opinion, events, take } = setup()
    take({ kind: 'name_reference', organisationId: 'r', nowMs: 1 })
    look(1, {})
    honest(1)
    look(2, {})
    opinion(2, 'm', 'different', null)
    opinion(2, 'r', 'different', true)
    opinion(2, 'o', 'same', null, { by: 'frame' })
    const verdicts = events.flatMap((event) => (event.type === 'verify.audit_closed' ? [event.verdict] : []))
    assert.deepEqual(verdicts, ['honest', 'honest'])
    assert.deepEqual([recordOf(verify, 'n').failed, recordOf(verify, 'm').wrong], [0, 0])
    assert.equal(auditByOf(verify, placeOf(3)), 'frame')
  })
})

describe('pay that is held back', () => {
  test('all of a new node’s is, then that of its last 24 tasks, and of what came after its last pass', () => {
    const { verify, look, honest, take } = setup()
    const hold = (fence: number) =>
      take({ kind: 'hold_pay', place: placeOf(fence), ...paid, nodeId: 'n', isChecked: false, nowMs: fence })
    for (let fence = 1; fence <= 30; fence++) hold(fence)
    look(30, {})
    honest(30, 1_000)
    assert.deepEqual(agedPay(verify, 'n', 'community'), [])
    look(30, { faults: ['size_wrong'] })
    for (let fence = 31; fence <= 40; fence++) {
      look(fence, {})
      honest(fence, 3)
    }
    // It passed at 3: what was earned then or later stands in for the next check.
    assert.deepEqual(
      agedPay(verify, 'n', 'community').map(({ fence }) => fence),
      [1, 2],
    )
    look(41, {})
    honest(41, 100)
    assert.deepEqual(
      agedPay(verify, 'n', 'community').map(({ fence }) => fence),
      [1, 2, 3, 4, 5, 6],
    )
    assert.deepEqual(agedPay(verify, 'n', 'vetted'), [])
  })

  test('is held and freed once', () => {
    const { take, refused, verify } = setup()
    const hold = {
      kind: 'hold_pay',
      place: placeOf(1),
      ...paid,
      nodeId: 'n',
      isChecked: true,
      nowMs: 1,
    } as const
    take(hold)
    refused('pay_held', hold)
    const free = { kind: 'free_pay', place: placeOf(1), nodeId: 'n', why: 'aged', nowMs: 2 } as const
    take(free)
    refused('pay_unknown', free)
    assert.equal(verify.held.size, 0)
  })
})

test('the operator’s organisation is named once', () => {
  const { take, refused } = setup()
  take({ kind: 'name_reference', organisationId: 'r', nowMs: 1 })
  take({ kind: 'name_reference', organisationId: 'r', nowMs: 2 })
  refused('reference_named', { kind: 'name_reference', organisationId: 's', nowMs: 3 })
})

test('any commands in any order keep the state sound, and a replay of their events gives it again', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const { int } = createRandom(seed)
    const { verify, tryOut, events } = setup()
    for (let step = 0; step < 300; step++) tryOut(anyCommand(int, step))
    checkVerify(verify)
    const again = emptyVerify()
    for (const event of events) evolveVerify(again, VerifyEvent.parse(VerifyEvent.encode(event)))
    assert.deepEqual(again, verify)
  }
})

const placeOf = (fence: number): ResultPlace => ({ jobId: 'j', step: 0, task: fence % 7, fence })
const suspect = { nodeId: 'n', organisationId: 'own', picture: 'p', crops: '0,0,1,1' }
const paid = { accountId: 'provider:own', organisationId: 'payer', amount: 10n }

function anyCommand(int: (bound: number) => number, nowMs: number): VerifyCommand {
  const place = placeOf(1 + int(9))
  const auditId = keyOf(place)
  const auditJobId = `x${int(3)}`
  const organisationId = `o${int(4)}`
  // An attempt is one node’s.
  const nodeId = `n${place.fence % 3}`
  const commands: VerifyCommand[] = [
    { kind: 'look', place, nodeId, ...seen, canAudit: int(2) === 0, drawBps: int(10_000), nowMs },
    { kind: 'look', place, nodeId, ...seen, faults: ['x'], canAudit: true, drawBps: 0, nowMs },
    { kind: 'open_audit', place, ...suspect, nodeId, organisationId, nowMs },
    { kind: 'ask', auditId, auditJobId, by: int(2) === 0 ? 'crops' : 'frame', nowMs },
    {
      ...{ kind: 'hear', auditId, auditJobId, nodeId, organisationId, detail: '', outputs: [], nowMs },
      ...{ says: (['same', 'different', 'unreadable'] as const)[int(3)] ?? 'same', agrees: int(2) === 0 },
    },
    {
      kind: 'close',
      auditId,
      verdict: (['nobody', 'disputed', 'called_off'] as const)[int(3)] ?? 'nobody',
      nowMs,
    },
    { kind: 'hold_pay', place, ...paid, amount: BigInt(int(3)), nodeId, isChecked: int(2) === 0, nowMs },
    { kind: 'free_pay', place, nodeId, why: 'aged', nowMs },
    { kind: 'forget_job', jobId: 'j' },
  ]
  return commands[int(commands.length)] ?? { kind: 'forget_job', jobId: 'j' }
}

const seen = { nodeClass: 'community', faults: [], doubts: [], fingerprint: 'f' } as const

function setup() {
  const verify: Verify = emptyVerify()
  const events: VerifyEvent[] = []
  const tryOut = (command: VerifyCommand): VerifyRefusal | VerifyEvent[] => {
    const decision = decideVerify(verify, command)
    if (Array.isArray(decision)) {
      for (const event of decision) {
        evolveVerify(verify, event)
        events.push(event)
      }
    }
    return decision
  }
  const take = (command: VerifyCommand): VerifyEvent[] => {
    const decision = tryOut(command)
    assert(Array.isArray(decision), `${command.kind} is refused: ${String(decision)}`)
    checkVerify(verify)
    return decision
  }
  const opinion = (
    fence: number,
    nodeId: string,
    says: 'same' | 'different',
    agrees: boolean | null,
    { by = 'crops', nowMs = 1 }: { by?: AuditBy; nowMs?: number } = {},
  ): void => {
    const place = placeOf(fence)
    const auditId = keyOf(place)
    if (!verify.audits.has(auditId)) take({ kind: 'open_audit', place, ...suspect, nowMs })
    take({ kind: 'ask', auditId, auditJobId: `${nodeId} ${fence}`, by, nowMs })
    const told = { nodeId, organisationId: nodeId, says, agrees, detail: '', outputs: [], nowMs }
    take({ kind: 'hear', auditId, auditJobId: `${nodeId} ${fence}`, ...told })
  }
  return {
    verify,
    events,
    tryOut,
    take,
    opinion,
    honest: (fence: number, nowMs = 1) => opinion(fence, 'm', 'same', null, { nowMs }),
    refused: (refusal: VerifyRefusal, command: VerifyCommand) =>
      assert.equal(decideVerify(verify, command), refusal),
    look(fence: number, part: Partial<LookCommand>) {
      const look = { ...seen, place: placeOf(fence), nodeId: 'n', canAudit: true, drawBps: 0, nowMs: 1 }
      const [event] = take({ kind: 'look', ...look, ...part })
      return event?.type === 'verify.looked_at' ? event.outcome : null
    },
  }
}
