import { Problem } from '#protocol/problem.ts'

/** Trying again is of no use until a person changes something: the engine stays down instead of restarting for ever. */
export class FinalProblem extends Problem {}
