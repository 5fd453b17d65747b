import type { Catalogue } from '../../src/economics/catalogue.ts'
import type { RoiReport } from '../../src/economics/economics.ts'
import { findGpu } from '../../src/economics/find-gpu.ts'
import { findPlace } from '../../src/economics/find-place.ts'
import type { QueryProblem } from '../../src/economics/roi-query.ts'
import { withoutFlags } from './format.ts'
import { headlineOf } from './headline.ts'
import type { View } from './link.ts'
import type { RoiState, RoiStore } from './roi-store.ts'

interface VerdictProps {
  readonly state: RoiState
  readonly catalogue: Catalogue
  readonly view: View
  readonly change: RoiStore['change']
}

/** What it comes to, or what is missing for that, or what is wrong. Spoken once the numbers rest. */
export function Verdict({ state, catalogue, view, change }: VerdictProps) {
  const { shown } = state
  return (
    <section className="verdict" id="verdict" aria-label="Verdict" tabIndex={-1}>
      <div aria-live="polite" aria-atomic="true" aria-busy={state.isBehind}>
        {shown.kind === 'opening' && <p className="sentence">Computing …</p>}
        {shown.kind === 'fresh' && <Fresh change={change} />}
        {shown.kind === 'refused' && (
          <Refused problems={shown.problems} params={state.params} catalogue={catalogue} change={change} />
        )}
        {shown.kind === 'report' && <Said report={shown.report} view={view} />}
      </div>
    </section>
  )
}

const popular = ['RTX 3060 12GB', 'RTX 3090', 'RTX 4070', 'RTX 4090', 'RTX 5090', 'H100 PCIe']

function Fresh({ change }: Pick<VerdictProps, 'change'>) {
  return (
    <>
      <p className="headline">Say which GPU, and what your electricity costs</p>
      <p className="sentence">
        You get what is left after electricity, idle hours, fees and the fall in value: as a range of many
        possible years and not as one hopeful number. Nothing is assumed without saying so.
      </p>
      <p className="choices">
        {popular.map((gpu) => (
          <button key={gpu} type="button" onClick={() => change({ gpu })}>
            {gpu}
          </button>
        ))}
      </p>
    </>
  )
}

function Refused({
  problems,
  params,
  catalogue,
  change,
}: Omit<VerdictProps, 'state' | 'view'> & { problems: readonly QueryProblem[]; params: RoiState['params'] }) {
  return (
    <>
      <p className="headline open">
        {problems.length === 1 ? 'One thing cannot be right' : 'Some things cannot be right'}
      </p>
      <ul className="problems">
        {problems.map(({ name, message }) => (
          <li key={`${name} ${message}`}>
            <p>{withoutFlags(message)}</p>
            <p className="choices">
              {namesLike({ name, said: params[name] ?? '' }, catalogue).map(([value, label]) => (
                <button key={value} type="button" onClick={() => change({ [name]: value })}>
                  {label}
                </button>
              ))}
              {name in params && (
                <button type="button" className="plain" onClick={() => change({ [name]: null })}>
                  leave {name} out
                </button>
              )}
            </p>
          </li>
        ))}
      </ul>
    </>
  )
}

/** What a name that means nothing, or more than one thing, may have meant. */
function namesLike(
  { name, said }: { name: string; said: string },
  { gpus, places }: Catalogue,
): (readonly [value: string, label: string])[] {
  if (name === 'gpu') {
    const match = findGpu(said, gpus)
    const like = match.kind === 'found' ? [] : match.kind === 'ambiguous' ? match.gpus : match.closest
    return like.slice(0, 8).map((gpu) => [gpu.name, gpu.name])
  }
  if (name !== 'country') return []
  const match = findPlace(said, places)
  const like = match.kind === 'found' ? [] : match.kind === 'ambiguous' ? match.places : match.closest
  return like.map((place) => [place.code, `${place.name} (${place.code})`])
}

function Said({ report, view }: { report: RoiReport; view: View }) {
  const { text, tone } = headlineOf(report, view)
  const { gpu, place, network, unknowns } = report
  const facts = [
    `${gpu.count} × ${gpu.name}, ${gpu.vramGb} GB${gpu.count > 1 ? ' each' : ''}`,
    place?.name,
    network ? `on ${network.name} (${network.stability.replaceAll('_', ' ')} payout)` : null,
  ]
  return (
    <>
      <p className="facts">{facts.filter((fact) => fact != null).join(' · ')}</p>
      <p className={`headline ${tone}`}>{text}</p>
      <p className="sentence">{withoutFlags(report.verdict)}</p>
      {unknowns.length > 0 && (
        <ul className="unknowns">
          {unknowns.map(({ name, label, unit, blocks, why }) => (
            <li key={name}>
              <strong>
                {label}, {unit}
              </strong>
              : without it there is no {blocks === 'everything' ? 'result' : blocks}. {withoutFlags(why)}
            </li>
          ))}
        </ul>
      )}
    </>
  )
}
