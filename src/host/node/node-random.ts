import { randomInt } from 'node:crypto'
import { createRandom, type Random } from '#kernel/random.ts'

/** Ordinary randomness from a seed that differs in every process. */
export const createNodeRandom = (): Random => createRandom(randomInt(2 ** 32))
