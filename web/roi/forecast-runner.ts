/**
 * Keeps a forecast at hand while its input changes. Each input is answered twice: at once with few futures, as long as
 * sliders move, and with all of them once they rest; then the networks are compared. A quick thread is never behind by
 * more than one input; the thorough one is stopped in the middle of what is no longer asked, and begun anew.
 */
import type { Advice } from '../../src/economics/advisor.ts'
import type { Catalogue } from '../../src/economics/catalogue.ts'
import type { Simulation, SimulationInput } from '../../src/economics/simulate.ts'
import type { Answer, Job, Question } from './economics-worker.ts'

export interface Forecastable {
  readonly simulation: SimulationInput
  readonly seed: number
  readonly question: Question
}

/** What `Worker` is to the page. */
export interface Thread {
  postMessage(job: Job): void
  terminate(): void
  onmessage: ((event: MessageEvent<Answer>) => void) | null
}

export interface RunnerOptions<T extends Forecastable> {
  readonly catalogue: Catalogue
  startThread(): Thread
  /** Runs `run` after `delayMs`; the answer takes it back. */
  after(delayMs: number, run: () => void): () => void
  onForecast(of: T, forecast: Simulation, isFull: boolean): void
  onAdvice(of: T, advice: Advice): void
}

/** Enough for a shape that hardly differs; 15 ms on one core, so that all of a step stays below what is felt as a delay. */
export const QUICK_PATHS = 800
const SETTLE_MS = 180

export class ForecastRunner<T extends Forecastable> {
  readonly #options: RunnerOptions<T>
  readonly #quick: Thread
  #full: Thread | null = null
  #isFullBusy = false
  #computing: T | null = null
  #next: T | null = null
  #forget: () => void = () => {}

  constructor(options: RunnerOptions<T>) {
    this.#options = options
    this.#quick = options.startThread()
  }

  ask(of: T): void {
    this.cancel()
    if (this.#computing) this.#next = of
    else this.#computeQuick(of)
    this.#forget = this.#options.after(SETTLE_MS, () => this.#computeFull(of))
  }

  /** Nothing more is answered, but for the quick one that is under way. */
  cancel(): void {
    this.#forget()
    this.#next = null
    if (!this.#isFullBusy) return
    this.#full?.terminate()
    this.#full = null
    this.#isFullBusy = false
  }

  #computeQuick(of: T): void {
    this.#computing = of
    this.#quick.onmessage = ({ data }) => {
      this.#computing = null
      const next = this.#next
      this.#next = null
      if (next) this.#computeQuick(next)
      if (data.kind === 'simulated') this.#options.onForecast(of, data.simulation, false)
    }
    const input = { ...of.simulation, paths: QUICK_PATHS }
    this.#quick.postMessage({ kind: 'simulate', input, seed: of.seed })
  }

  #computeFull(of: T): void {
    const { onForecast, onAdvice } = this.#options
    const thread = this.#full ?? this.#startFull()
    this.#full = thread
    this.#isFullBusy = true
    thread.onmessage = ({ data }) => {
      if (this.#full !== thread) return
      if (data.kind === 'simulated') return onForecast(of, data.simulation, true)
      this.#isFullBusy = false
      onAdvice(of, data.advice)
    }
    thread.postMessage({ kind: 'simulate', input: of.simulation, seed: of.seed })
    thread.postMessage({ kind: 'advise', question: of.question })
  }

  #startFull(): Thread {
    const thread = this.#options.startThread()
    thread.postMessage({ kind: 'know', catalogue: this.#options.catalogue })
    return thread
  }
}
