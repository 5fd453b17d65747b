/** A thread of the page: computes forecasts and compares networks, one job after the other. */
import {
  ADVICE_PATHS,
  type Advice,
  type AdviceQuestion,
  adviseNetworks,
} from '../../src/economics/advisor.ts'
import type { Catalogue } from '../../src/economics/catalogue.ts'
import { type Simulation, type SimulationInput, simulate } from '../../src/economics/simulate.ts'
import { assert } from '../../src/kernel/assert.ts'

export type Question = Omit<AdviceQuestion, 'paths'>

export type Job =
  | { readonly kind: 'simulate'; readonly input: SimulationInput; readonly seed: number }
  /** Once, before the first comparison: it is large, and the same for all. It is not answered. */
  | { readonly kind: 'know'; readonly catalogue: Catalogue }
  | { readonly kind: 'advise'; readonly question: Question }

/** One for each job that asks for something, in their order. */
export type Answer =
  | { readonly kind: 'simulated'; readonly simulation: Simulation }
  | { readonly kind: 'advised'; readonly advice: Advice }

let catalogue: Catalogue | null = null

self.onmessage = ({ data }: MessageEvent<Job>): void => {
  if (data.kind === 'know') catalogue = data.catalogue
  else self.postMessage(answerOf(data))
}

function answerOf(job: Exclude<Job, { kind: 'know' }>): Answer {
  if (job.kind === 'simulate') return { kind: 'simulated', simulation: simulate(job.input, job.seed) }
  assert(catalogue, 'a comparison needs the catalogue first')
  return { kind: 'advised', advice: adviseNetworks(catalogue, { ...job.question, paths: ADVICE_PATHS }) }
}
