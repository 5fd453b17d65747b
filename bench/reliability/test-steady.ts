import type { Steady } from './steady-load.ts'

/** A stream that ended well, but for what is told of it. */
export const steady = (change: Partial<Steady>): Steady => ({
  prompt: 'Fish',
  requestId: 'req_1',
  text: 'swims',
  usage: { prompt_tokens: 2, completion_tokens: 3 },
  cost: 5n,
  continuations: 0,
  node: 'node_1',
  startedMs: 0,
  firstTokenMs: 10,
  totalMs: 20,
  error: null,
  ...change,
})
