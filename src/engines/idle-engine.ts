import { Problem } from '#protocol/problem.ts'
import type { SupervisedEngine } from './engine.ts'

/** Serves nothing: of a node that only serves what the network places on it. */
export const idleEngine = (): SupervisedEngine => ({
  models: () => [],
  onChange: () => undefined,
  start() {
    throw new Problem('model_not_found', 'This node serves no model of its own.')
  },
  ready: () => Promise.resolve(),
  failure: () => null,
  close: () => Promise.resolve(),
})
