/**
 * What the page knows and shows. The parameters of its address are the only input: every change of a field changes
 * them, and all else follows. A report is shown once it has a forecast, so that no two parts of the page disagree.
 */
import type { Advice } from '../../src/economics/advisor.ts'
import type { Catalogue } from '../../src/economics/catalogue.ts'
import { assess, type RoiReport, withForecast } from '../../src/economics/economics.ts'
import { type InputName, type InputProblem, inputInfo } from '../../src/economics/input-lines.ts'
import { parseRoiQuery, type QueryProblem, type RoiQuery } from '../../src/economics/roi-query.ts'
import { type Forecastable, ForecastRunner, type Thread } from './forecast-runner.ts'
import { type Params, questionOf, readLink, searchOf } from './link.ts'

/** `quick`: of few futures, while something moves. `none`: something is missing that everything hangs on. */
export type Stage = 'none' | 'quick' | 'full'

export type Shown =
  /** Before the first forecast of a link. */
  | { readonly kind: 'opening' }
  | { readonly kind: 'fresh' }
  | { readonly kind: 'refused'; readonly problems: readonly QueryProblem[] }
  | { readonly kind: 'report'; readonly report: RoiReport; readonly stage: Stage; readonly query: RoiQuery }

export interface RoiState {
  readonly params: Params
  readonly shown: Shown
  /** Until all futures of the newest input are computed: what is shown is of fewer, or of an input before. */
  readonly isBehind: boolean
  /** The last report, for the fields to stand on while an input is refused. */
  readonly last: RoiReport | null
  readonly advice: Advice | null
  /** The comparison is of an input before. */
  readonly isAdviceStale: boolean
}

export interface RoiStoreOptions {
  readonly catalogue: Catalogue
  readonly search: string
  nowMs(): number
  startThread(): Thread
  after(delayMs: number, run: () => void): () => void
  /** Told the query of every state that the page comes to rest in. */
  onSearch(search: string): void
}

interface Asked extends Forecastable {
  readonly report: RoiReport
  readonly query: RoiQuery
}

const LINK_DELAY_MS = 150

export class RoiStore {
  readonly #options: RoiStoreOptions
  readonly #runner: ForecastRunner<Asked>
  readonly #listeners = new Set<() => void>()
  #linkProblems: readonly QueryProblem[] = []
  #forgetLink: () => void = () => {}
  /** False while what is shown needs no forecast: one that is still under way is of an input before. */
  #isAsking = false
  #state: RoiState = {
    params: {},
    shown: { kind: 'opening' },
    isBehind: false,
    last: null,
    advice: null,
    isAdviceStale: false,
  }

  constructor(options: RoiStoreOptions) {
    this.#options = options
    this.#runner = new ForecastRunner<Asked>({
      catalogue: options.catalogue,
      startThread: options.startThread,
      after: options.after,
      onForecast: (asked, forecast, isFull) => {
        if (!this.#isAsking) return
        const report = withForecast(asked.report, forecast)
        this.#show({ kind: 'report', report, stage: isFull ? 'full' : 'quick', query: asked.query }, !isFull)
      },
      onAdvice: (_asked, advice) => this.#set({ advice, isAdviceStale: false }),
    })
    this.read(options.search)
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  readonly snapshot = (): RoiState => this.#state

  /** Another address, as after the browser's own "back". */
  read(search: string): void {
    const { params, problems } = readLink(search)
    this.#linkProblems = problems
    this.#compute(params)
  }

  /** Says each of `changes`; `null` takes one back. */
  readonly change = (changes: Readonly<Record<string, string | null>>): void => {
    const kept = Object.entries({ ...this.#state.params, ...changes }).filter(([, value]) => value !== null)
    this.#linkProblems = this.#linkProblems.filter(({ name }) => !Object.hasOwn(changes, name))
    const params = Object.fromEntries(kept) as Params
    this.#forgetLink()
    this.#forgetLink = this.#options.after(LINK_DELAY_MS, () => this.#options.onSearch(searchOf(params)))
    this.#compute(params)
  }

  #compute(params: Params): void {
    this.#set({ params, isAdviceStale: true })
    const { catalogue, nowMs } = this.#options
    const { query, problems: wrongWords } = parseRoiQuery(questionOf(params), catalogue)
    const unread = [...this.#linkProblems, ...wrongWords]
    if (query.gpu === null) return this.#rest(unread.length > 0 ? refused(unread) : { kind: 'fresh' })
    const input = { ...query.input, gpu: query.gpu }
    const known = { measured: null, nowMs: nowMs() }
    const report = assess(catalogue, input, { nowMs: known.nowMs, seed: query.seed, paths: 0 })
    const wrong = report.kind === 'refused' ? report.problems.map(asQueryProblem) : []
    if (report.kind === 'refused' || unread.length > 0) return this.#rest(refused([...unread, ...wrong]))
    if (!report.simulation) return this.#rest({ kind: 'report', report, stage: 'none', query })
    this.#isAsking = true
    this.#set({ isBehind: true })
    this.#runner.ask({
      report,
      query,
      simulation: report.simulation,
      seed: query.seed,
      question: {
        input,
        known,
        priceUsdPerGpuHour: query.networkPrice,
        tokenUsd: quotesOf(query.tokenUsd, known.nowMs),
        seed: query.seed,
        machine: query.machine,
        tolerance: query.tolerance,
      },
    })
  }

  /** Nothing is to be computed for it. */
  #rest(shown: Shown): void {
    this.#isAsking = false
    this.#runner.cancel()
    this.#set({ advice: null })
    this.#show(shown, false)
  }

  #show(shown: Shown, isBehind: boolean): void {
    this.#set({ shown, isBehind, ...(shown.kind === 'report' && { last: shown.report }) })
  }

  #set(change: Partial<RoiState>): void {
    this.#state = { ...this.#state, ...change }
    for (const listener of this.#listeners) listener()
  }
}

const refused = (problems: readonly QueryProblem[]): Shown => ({ kind: 'refused', problems })

/** The economics name an input, the address its parameter. */
export const asQueryProblem = ({ name, message }: InputProblem): QueryProblem => ({
  name:
    name === 'currency' ? 'usd-per' : Object.hasOwn(inputInfo, name) ? parameterOf(name as InputName) : name,
  message,
})

export const parameterOf = (name: InputName): string => inputInfo[name].flag.slice(2)

const quotesOf = (prices: RoiQuery['tokenUsd'], nowMs: number) =>
  Object.fromEntries(
    Object.entries(prices).map(([token, usd]) => [
      token,
      { usd, source: 'you', asOf: new Date(nowMs).toISOString().slice(0, 10) },
    ]),
  )
