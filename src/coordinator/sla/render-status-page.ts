/** The status page for people: no script, no other host, and nothing that names a customer. */
import { HOUR_MS } from '#kernel/time.ts'
import type { Incident, Maintenance, StatusPage } from '#protocol/sla-api.ts'
import { BIN_MS, type Span } from '#sla/bins.ts'
import { PPB, promisingClasses, tiers } from '#sla/tiers.ts'
import { escapeHtml, renderPage } from '../html.ts'

const states: Readonly<Record<StatusPage['state'], { readonly text: string; readonly tone: string }>> = {
  operational: { text: 'Everything works', tone: 'good' },
  degraded: { text: 'Some requests fail', tone: 'bad' },
  outage: { text: 'The network cannot serve', tone: 'bad' },
  maintenance: { text: 'Maintenance is under way', tone: '' },
}
const openIncident = { text: 'An incident is open', tone: 'bad' }

export function renderStatusPage(page: StatusPage): string {
  const { text, tone } = isOnlyTold(page) ? openIncident : states[page.state]
  return renderPage({
    title: `${page.network}: status`,
    body: `<main class="home">
<h1>Status of ${escapeHtml(page.network)}</h1>
<p class="lead"><strong class="${tone}">${text}.</strong> As of ${time(page.atMs)} UTC.</p>
${renderDays(page)}
${renderDay(page)}
<h2>Incidents</h2>
${page.incidents.length === 0 ? '<p class="dim">None in the last 100 days.</p>' : page.incidents.map(renderIncident).join('\n')}
<h2>Maintenance</h2>
${page.maintenance.length === 0 ? '<p class="dim">None is announced.</p>' : page.maintenance.map(renderMaintenance).join('\n')}
<h2>What is promised</h2>
${renderPromises()}
<p class="dim">Every customer can compute a credit anew: <code>shoal sla bundle</code> writes the evidence, <code>shoal sla recompute</code> checks it without this network.
The same as JSON: <a href="/api/status-page">/api/status-page</a>.</p>
</main>`,
  })
}

/** An incident is open and no request of the last hour failed: its operator told of it, or what the network saw is over. */
const isOnlyTold = ({ state, bins, atMs }: StatusPage): boolean =>
  state === 'degraded' && !bins.some(({ startMs, errors }) => errors > 0 && startMs + BIN_MS > atMs - HOUR_MS)

const DAY_MS = 24 * HOUR_MS
const DAYS = 90

function renderDays({ days, incidents, atMs }: StatusPage): string {
  const today = Math.floor(atMs / DAY_MS)
  const byDay = new Map(days.map((day) => [Math.floor(day.startMs / DAY_MS), day]))
  const bars = Array.from({ length: DAYS }, (_, index) => {
    const number = today - DAYS + 1 + index
    const day = byDay.get(number)
    const title = day
      ? `${date(number * DAY_MS)}: ${countedText(day)}${outageText(incidents, { fromMs: day.startMs, toMs: day.startMs + DAY_MS })}`
      : `${date(number * DAY_MS)}: no requests`
    return bar({ index, of: DAYS, availabilityPpb: day?.availabilityPpb ?? null, title })
  })
  let [lost, valid, errors] = [0, 0, 0]
  for (const day of days) {
    lost += PPB - day.availabilityPpb
    valid += day.valid
    errors += day.errors
  }
  // Days without requests say nothing of what would have been answered, unless an outage was in them: they count for neither side.
  const what = days.some((day) => day.valid === 0) ? 'requests or an outage' : 'requests'
  const available =
    days.length === 0
      ? 'No requests yet'
      : `${share(Math.floor(PPB - lost / days.length))} available on ${days.length === 1 ? 'the one day' : `the ${days.length} days`} with ${what}: ${requestsText(valid)}, ${errors} failed`
  return `<h2>Last 90 days</h2>
${chart('Availability of the last 90 days, a bar for each', bars)}
<p class="dim">${available}. A bar is a day in UTC; grey: no requests, and no outage.</p>`
}

function renderDay({ bins, incidents, atMs }: StatusPage): string {
  const count = DAY_MS / BIN_MS
  const first = Math.floor(atMs / BIN_MS) - count + 1
  const byBin = new Map(bins.map((bin) => [Math.floor(bin.startMs / BIN_MS), bin]))
  const bars = Array.from({ length: count }, (_, index) => {
    const bin = byBin.get(first + index)
    if (!bin) return ''
    const outage = outageText(incidents, { fromMs: bin.startMs, toMs: bin.startMs + BIN_MS })
    const title = `${time(bin.startMs)}: ${countedText(bin)}${outage}`
    return bar({ index, of: count, availabilityPpb: bin.availabilityPpb, title })
  })
  return `<h2>Last 24 hours</h2>
${chart('Availability of the last 24 hours, a bar for each five minutes', bars)}
<p class="dim">A bar is five minutes; empty: no requests, and no outage.</p>`
}

const countedText = ({ availabilityPpb, valid, errors }: StatusPage['bins'][number]): string =>
  `${share(availabilityPpb)}, ${requestsText(valid)}, ${errors} failed`

/** Why what answered all that it was asked was not whole. */
const outageText = (incidents: readonly Incident[], { fromMs, toMs }: Span): string =>
  incidents.some(
    ({ isOutage, startedAtMs, endedAtMs }) =>
      isOutage && startedAtMs < toMs && (endedAtMs === null || endedAtMs > fromMs),
  )
    ? ', an outage'
    : ''

const WIDTH = 720
const HEIGHT = 36

const chart = (label: string, bars: readonly string[]): string =>
  `<svg class="bars" role="img" aria-label="${label}" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none">${bars.join('')}</svg>`

function bar(one: { index: number; of: number; availabilityPpb: number | null; title: string }): string {
  const { index, of, availabilityPpb, title } = one
  const step = WIDTH / of
  return `<rect class="${toneOf(availabilityPpb)}" x="${(index * step).toFixed(2)}" y="0" width="${(step * 0.8).toFixed(2)}" height="${HEIGHT}"><title>${escapeHtml(title)}</title></rect>`
}

function toneOf(availabilityPpb: number | null): string {
  if (availabilityPpb === null) return 'empty'
  if (availabilityPpb >= tiers.enterprise.targetPpb) return 'full'
  return availabilityPpb >= tiers.standard.targetPpb ? 'less' : 'low'
}

const renderIncident = ({
  title,
  isOutage,
  startedAtMs,
  endedAtMs,
  by,
  notes,
}: Incident): string => `<section class="incident">
<p><strong class="${endedAtMs === null ? 'bad' : ''}">${escapeHtml(title)}</strong> ${isOutage ? '(outage) ' : ''}<span class="dim">${endedAtMs === null ? `since ${time(startedAtMs)} UTC, open` : `${time(startedAtMs)} – ${time(endedAtMs)} UTC`}, ${by === 'network' ? 'found by the network itself' : 'told by its operator'}</span></p>
${notes.map(({ atMs, text }) => `<p class="dim">${time(atMs)}: ${escapeHtml(text)}</p>`).join('\n')}
</section>`

const renderMaintenance = ({ title, fromMs, toMs, cancelledAtMs }: Maintenance): string =>
  `<p><strong>${escapeHtml(title)}</strong> <span class="dim">${time(fromMs)} – ${time(toMs)} UTC${cancelledAtMs === null ? '' : ', cancelled'}</span></p>`

function renderPromises(): string {
  const rows = promisingClasses.map((slaClass) => {
    const { targetPpb, credits, firstTokenMs, tokensPerSecond } = tiers[slaClass]
    const steps = [...credits]
      .reverse()
      .map(({ belowPpb, creditBps }) => `${creditBps / 100}${NBSP}% below ${belowPpb / 10_000_000}${NBSP}%`)
    return `<tr><td>${slaClass}</td><td>${targetPpb / 10_000_000}${NBSP}%</td><td>${steps.join('; ')}</td><td>${firstTokenMs / 1_000} s, ${tokensPerSecond} tokens/s</td></tr>`
  })
  return `<div class="table"><table><thead><tr><th>Class</th><th>Requests answered</th><th>Credit, posted by itself</th><th>First token, speed</th></tr></thead>
<tbody>${rows.join('')}</tbody></table></div>`
}

/** Keeps a number and its unit on one line. */
const NBSP = '\u00a0'
const time = (atMs: number): string => new Date(atMs).toISOString().slice(0, 16).replace('T', ' ')
const date = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10)
const share = (ppb: number): string => `${(Math.floor(ppb / 10_000) / 1_000).toFixed(3)}${NBSP}%`

const requestsText = (count: number): string => (count === 1 ? '1 request' : `${count} requests`)
