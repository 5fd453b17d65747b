import { memo } from 'react'
import { AccountTable } from './account-table.tsx'
import { BreakEvenTable } from './break-even-table.tsx'
import { CashChart } from './cash-chart.tsx'
import { Distribution } from './distribution.tsx'
import { withoutFlags } from './format.ts'
import { HeatTable } from './heat-table.tsx'
import { InputsTable } from './inputs-table.tsx'
import type { View } from './link.ts'
import type { Shown } from './roi-store.ts'
import { TornadoChart } from './tornado-chart.tsx'

interface ReportProps {
  readonly shown: Extract<Shown, { kind: 'report' }>
  readonly view: View
}

/** What a forecast and its account come to. Drawn anew when they change, and not when a field does. */
export const Pictures = memo(function Pictures({ shown: { report }, view }: ReportProps) {
  const { forecast } = report
  return (
    <>
      {forecast && <Distribution forecast={forecast} view={view} />}
      {forecast && (
        <CashChart forecast={forecast} purchaseUsd={report.capital?.purchaseUsd ?? null} view={view} />
      )}
      <AccountTable report={report} />
      <BreakEvenTable report={report} />
      <HeatTable report={report} view={view} />
      <TornadoChart report={report} />
    </>
  )
})

/** What it all rests on. */
export const Basis = memo(function Basis({ shown: { report } }: Pick<ReportProps, 'shown'>) {
  return (
    <>
      <Notices notices={report.notices} upperBounds={report.upperBounds} />
      <InputsTable inputs={report.inputs} />
    </>
  )
})

function Notices({ notices, upperBounds }: { notices: readonly string[]; upperBounds: readonly string[] }) {
  const lines = [...upperBounds.map((bound) => `Upper bound: ${bound}.`), ...notices.map(withoutFlags)]
  if (lines.length === 0) return null
  return (
    <section className="panel" aria-labelledby="mind">
      <h2 id="mind">To bear in mind</h2>
      <ul className="notices">
        {lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </section>
  )
}
