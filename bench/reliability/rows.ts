/** The fault matrix: which fault, what is asked of the network then, and which programs find out. */
import { fuzz } from './fuzz-part.ts'
import type { Part } from './part.ts'
import { mutants, oracle, real, recovery, seeds, sim, tests } from './parts.ts'

export interface Row {
  readonly id: string
  readonly fault: string
  readonly parts: readonly Part[]
  /** What of it is not run, and for what it waits. */
  readonly notRun?: readonly string[]
}

const authorisation = tests('authorisation tests', [
  'test/e2e/authorisation.test.ts',
  'test/e2e/organisations.test.ts',
  'test/e2e/bad-input.test.ts',
])

const DISK_TESTS = [
  'test/e2e/full-disk.test.ts',
  'src/host/node/sqlite-journal-process.test.ts',
  'src/host/node/folder-lock.test.ts',
]

export const rows: readonly Row[] = [
  {
    id: 'F1',
    fault: '`kill -9` of the coordinator with 1,000 requests under way',
    parts: [sim('crash'), recovery, real('retrying-callers')],
    notRun: ['leases: not built yet'],
  },
  {
    id: 'F2',
    fault: 'nodes killed all the time: 20 % an hour, and one of 20 every 5 s',
    parts: [sim('gaming-100k', 60), real('churn', 25)],
    notRun: ['availability of a deployment with two replicas or a warm spare: waits for leases'],
  },
  {
    id: 'F3',
    fault:
      'a month of dedicated machines, of which four or five are lost a day, 1,000 customers with an SLA; and a month with 20 hours out',
    parts: [sim('sla-month', 60)],
    notRun: [
      'deployments: waits for leases; the month is of requests',
      'a customer asks some 30 times a month, so that hardly a loss meets a request: that a bad month is credited is shown by the second',
    ],
  },
  {
    id: 'F4',
    fault: '30 % of the nodes cut off for 5 minutes, one way only, and again and again',
    parts: [sim('partition'), real('partition')],
  },
  {
    id: 'F5',
    fault: 'nodes that are there and do not work: 5 % of their speed, stopped, half open',
    parts: [sim('gray'), real('gray')],
  },
  {
    id: 'F6',
    fault: 'disk full, write-protected, failing to sync; torn ends, flipped bits',
    parts: [seeds, real('disk'), tests('disk tests', DISK_TESTS)],
  },
  { id: 'F7', fault: 'clocks: nodes an hour off, a step of 5 s', parts: [sim('clock'), real('clock')] },
  {
    id: 'F8',
    fault: '10 % and 30 % of the nodes lie, by nine strategies',
    parts: [sim('malicious', 60)],
  },
  {
    id: 'F9',
    fault: 'messages twice, out of order, and again an hour later',
    parts: [sim('replay'), real('replay')],
  },
  { id: 'F10', fault: 'malformed inputs to every surface', parts: [fuzz] },
  {
    id: 'F11',
    fault: 'fake nodes join: 100,000 a minute simulated, 10,000 a minute on real sockets',
    parts: [sim('join-storm', 60), real('join-storm')],
  },
  {
    id: 'F12',
    fault: 'five times the load that there is room for, then less than that',
    parts: [sim('overload'), real('overload')],
  },
  {
    id: 'F13',
    fault: 'agents and coordinator become another release under load, and go back',
    parts: [sim('upgrade'), real('upgrade')],
    notRun: ['the halt of a bad roll-out: Shoal does not roll agents out, their owners do'],
  },
  {
    id: 'F14',
    fault: 'the leading coordinator killed every 30 s, a hundred times',
    parts: [],
    notRun: ['`npm run bench -- takeover` is like it: 50 leaders lost on PostgreSQL with a standby'],
  },
  { id: 'F15', fault: 'one tenant’s keys on every route of another’s', parts: [authorisation] },
  { id: 'F16', fault: '60 ways out of the sandbox', parts: [real('sandbox')] },
  {
    id: 'F17',
    fault: 'a million ledger commands beside a second ledger, with deaths between and within writes',
    parts: [oracle],
  },
  { id: 'F18', fault: '24 hours at half load', parts: [], notRun: ['a day of real time'] },
  { id: 'F19', fault: 'the disk wiped, a backup restored', parts: [real('restore')] },
  {
    id: 'F20',
    fault: 'a cold machine joins, proves its hardware and earns, without a human',
    parts: [real('first-work')],
  },
  { id: 'M6', fault: 'bugs planted in core, gateway, verification and SLA', parts: [mutants] },
  {
    id: 'M7',
    fault: 'the simulator with all of it on: its speed, a day of 1,000 nodes, an hour of 10,000',
    parts: [sim('speed', 180)],
  },
]
