import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromCanonical } from '#kernel/canonical.ts'
import { type CoordinatorState, emptyState, formatState } from '../coordinator-state.ts'
import { openOrganisation } from '../open-organisation.ts'
import { startTurn } from '../turn.ts'
import { keyHandlers } from './key-handlers.ts'
import { memberHandlers } from './member-handlers.ts'
import { organisationHandlers } from './organisation-handlers.ts'
import { contextOf, operator } from './test-jobs.ts'

const NOW = 1_800_000_000_000
const IDS = ['d', 'b', 'e', 'a', 'c']

for (const name of [
  'listOrganisations',
  'listKeys',
  'listProjects',
  'listServiceAccounts',
  'listMembers',
] as const) {
  test(`${name}: pages of what was made in one moment leave nothing out over a start from a snapshot`, async () => {
    const before = crowded()
    const after = fromCanonical(formatState(before)) as CoordinatorState
    const first = await page(name, before, {})
    const second = await page(name, after, first.next === null ? {} : { before: first.next })
    const whole = await page(name, after, { limit: 1_000 })
    assert.deepEqual([...first.items, ...second.items], whole.items.slice(0, 4))
    assert.equal(new Set(whole.items).size, whole.items.length)
  })
}

/** With five of each kind, all made in one moment. */
function crowded(): CoordinatorState {
  const state = emptyState()
  const turn = startTurn(state, NOW, [])
  for (const id of IDS) assert.equal(openOrganisation(turn, { organisationId: id, name: id }), null)
  const organisationId = 'd'
  const common = { organisationId, nowMs: NOW, actorKeyId: null }
  for (const id of IDS) {
    const key = { keyId: id, name: id, hash: id, hint: id, scopes: ['owner'] as const }
    const invited = { memberId: id, name: id, email: `${id}@x`, invitationHash: id, expiresAtMs: NOW + 1 }
    const refusals = [
      turn.organisations({ kind: 'create_key', ...key, ...common }),
      turn.organisations({ kind: 'create_project', projectId: id, name: id, ...common }),
      turn.organisations({
        ...{ kind: 'create_service_account', serviceAccountId: id, name: id, scopes: ['viewer'], ...common },
      }),
      turn.organisations({ kind: 'invite_member', ...invited, scopes: ['viewer'], ...common }),
    ]
    assert.deepEqual(refusals, [null, null, null, null])
  }
  return state
}

type List = 'listOrganisations' | 'listKeys' | 'listProjects' | 'listServiceAccounts' | 'listMembers'

async function page(name: List, state: CoordinatorState, query: { limit?: number; before?: string }) {
  const execute = (useCase: (turn: unknown) => unknown, reply: (result: unknown) => void): void =>
    reply(useCase(startTurn(state, NOW, [])))
  const parts = { coordinator: { state, execute } } as never
  const handlers = { ...keyHandlers(parts), ...organisationHandlers(parts), ...memberHandlers(parts) }
  const { items, next } = await handlers[name]({ query: { limit: 2, ...query } }, operator, contextOf(name))
  return { items: items.map((item) => JSON.stringify(item)), next }
}
