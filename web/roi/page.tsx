import { useSyncExternalStore } from 'react'
import type { Catalogue } from '../../src/economics/catalogue.ts'
import { Essentials } from './essentials.tsx'
import { FigureBar } from './figure-bar.tsx'
import { viewOf } from './link.ts'
import { NetworkList } from './network-list.tsx'
import { Basis, Pictures } from './report.tsx'
import type { RoiStore } from './roi-store.ts'
import { Share } from './share.tsx'
import { Sliders } from './sliders.tsx'
import { ThemeChoice } from './theme-choice.tsx'
import { Verdict } from './verdict.tsx'

/** Essentials and verdict side by side, then sliders beside the report; one below the other on a phone. */
export function Page({ store, catalogue }: { store: RoiStore; catalogue: Catalogue }) {
  const state = useSyncExternalStore(store.subscribe, store.snapshot)
  const { params, shown } = state
  const view = viewOf(params)
  const { change } = store
  const report = shown.kind === 'report' ? shown.report : null
  return (
    <>
      <a className="skip" href="#verdict">
        To the verdict
      </a>
      <header className="top">
        <a className="mark" href="/">
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M1 8c3-5 7-5 10-2l4-3v10l-4-3c-3 3-7 3-10-2z" />
          </svg>
          Shoal
        </a>
        <p>Honest economics of a GPU</p>
        <ThemeChoice />
      </header>
      <main>
        <Essentials state={state} catalogue={catalogue} change={change} />
        <Verdict state={state} catalogue={catalogue} view={view} change={change} />
        {report && <FigureBar report={report} view={view} />}
        {params['gpu'] !== undefined && <Sliders state={state} catalogue={catalogue} change={change} />}
        {shown.kind === 'report' && (
          <div className="report" data-stage={shown.stage}>
            <Pictures shown={shown} view={view} />
            {shown.stage !== 'none' && <NetworkList advice={state.advice} isStale={state.isAdviceStale} />}
            <Basis shown={shown} />
            <Share params={params} />
          </div>
        )}
      </main>
      <footer>
        <p>
          Computed in your browser; nothing that you type leaves it. Data and formulas ship with Shoal, each
          number with its source and date below. A forecast is no promise.
        </p>
        <nav aria-label="More">
          <a href="/">This network</a> <a href="/docs#tag-economics">The same over the API</a>
        </nav>
      </footer>
    </>
  )
}
