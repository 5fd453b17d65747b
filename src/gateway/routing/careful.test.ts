import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOUR_MS } from '#kernel/time.ts'
import type { SlaClass } from '#protocol/sla.ts'
import type { NodeFacts } from '../preferences.ts'
import { carefulSteps, isPromised, sharedDomains } from './careful.ts'

const NOW = 100 * HOUR_MS

test('a request without a promise is for any node, and for all alike', () => {
  for (const slaClass of [undefined, 'none'] as const)
    assert.deepEqual(bestFor(slaClass, [node('halted', { isHalted: true }), node('b')]), ['halted', 'b'])
})

test('no promise is begun on a version that is halted while another will do, and all of them when none will', () => {
  for (const slaClass of ['standard', 'business', 'enterprise'] as const) {
    assert.deepEqual(bestFor(slaClass, [node('a', { isHalted: true }), node('b')]), ['b'], slaClass)
    assert.deepEqual(bestFor(slaClass, [node('a', { isHalted: true })]), ['a'], slaClass)
  }
})

test('a node in its first hour gets no enterprise work where an older one will do', () => {
  const fresh = node('fresh', { upSinceMs: NOW - HOUR_MS + 1 })
  const old = node('old', { upSinceMs: NOW - HOUR_MS })
  assert.deepEqual(bestFor('enterprise', [fresh, old]), ['old'])
  assert.deepEqual(bestFor('enterprise', [fresh]), ['fresh'])
  assert.deepEqual(bestFor('business', [fresh, old]), ['fresh', 'old'])
})

test('a node that fails now and then is asked last for business and enterprise', () => {
  const shaky = node('shaky', { standing: 0.4 })
  assert.deepEqual(bestFor('business', [shaky, node('b')]), ['b'])
  assert.deepEqual(bestFor('standard', [shaky, node('b')]), ['shaky', 'b'])
})

test('a second node stands apart from the first: another owner, network, region and version', () => {
  const first = node('first')
  const apart = { organisationId: 'o2', network: '198.51.100.0/24', region: 'us', agentVersion: '2' } as const
  for (const shared of ['organisationId', 'network', 'region', 'agentVersion'] as const) {
    const near = node('near', { ...apart, [shared]: first[shared] })
    assert.deepEqual(bestFor('business', [near, node('far', apart)], [first]), ['far'], shared)
    assert.equal(sharedDomains(first, near), 1)
  }
  const ofAnother = node('of-another', { organisationId: 'o2' })
  assert.deepEqual(bestFor('enterprise', [node('same'), ofAnother], [first]), ['of-another'])
  assert.deepEqual(bestFor('enterprise', [node('same')], [first]), ['same'])
  assert.deepEqual(bestFor('standard', [node('same'), ofAnother], [first]), ['same', 'of-another'])
})

test('what is not known of two nodes is not shared by them', () => {
  assert.equal(sharedDomains(node('a', { region: null }), node('b', { region: null })), 3)
})

test('only what was promised more than the ordinary is kept from trials', () => {
  assert.deepEqual((['none', 'standard', 'business', 'enterprise', undefined] as const).map(isPromised), [
    false,
    false,
    true,
    true,
    false,
  ])
})

const node = (nodeId: string, part: Partial<NodeFacts> = {}): NodeFacts => ({
  nodeId,
  organisationId: 'o1',
  nodeClass: 'community',
  region: 'eu',
  keepsNoPrompts: false,
  network: '203.0.113.0/24',
  agentVersion: '1',
  upSinceMs: 0,
  ...part,
})

/** Those of the first step that has any. */
function bestFor(
  slaClass: SlaClass | undefined,
  nodes: readonly NodeFacts[],
  before: readonly NodeFacts[] = [],
): string[] {
  for (const isFit of carefulSteps(slaClass, before, NOW)) {
    const fit = nodes.filter(isFit)
    if (fit.length > 0) return fit.map(({ nodeId }) => nodeId)
  }
  return []
}
