import { memo } from 'react'
import type { Advice, NetworkAdvice } from '../../src/economics/advisor.ts'
import { usdText } from '../../src/economics/usd-text.ts'
import { Fold } from './fold.tsx'
import { shareText, withoutFlags } from './format.ts'

/** Every network that is known: the ranked ones first, each with the reason for its place. */
export const NetworkList = memo(function NetworkList({
  advice,
  isStale,
}: {
  advice: Advice | null
  isStale: boolean
}) {
  return (
    <section className="panel" aria-labelledby="networks" aria-busy={isStale}>
      <h2 id="networks">Where it should work</h2>
      {advice?.kind === 'advice' ? (
        <>
          <p className="hint">
            Cash of {advice.months} months, all at one rental price, ranked by the middle case less what a bad
            one takes. Rewards, points and “APY” count nothing; what is unverified is shown and never ranked.
          </p>
          <ol className={isStale ? 'networks stale' : 'networks'}>
            {advice.rows.map((row) => (
              <NetworkRow key={row.id} row={row} months={advice.months} />
            ))}
          </ol>
        </>
      ) : (
        <p className="hint">
          {advice?.kind === 'refused'
            ? advice.problems.map(({ message }) => withoutFlags(message)).join(' ')
            : 'Comparing the networks …'}
        </p>
      )}
    </section>
  )
})

const dollars = (usd: number | null): string => (usd === null ? 'not known' : usdText(usd))

function NetworkRow({ row, months }: { row: NetworkAdvice; months: number }) {
  const { rank, name, status, stability, why, cautions, sources, asOf, token } = row
  return (
    <li className={status}>
      <p className="name">
        <span className="rank">{rank ?? '–'}</span>
        <strong>{name}</strong>
        <span className={`payout ${stability}`}>{payoutNames[stability]}</span>
        {status !== 'ranked' && <span className="status">{status.replaceAll('_', ' ')}</span>}
      </p>
      {status === 'ranked' && (
        <dl>
          {figuresOf(row, months).map(([label, text]) => (
            <div key={label}>
              <dt>{label}</dt>
              <dd>{text}</dd>
            </div>
          ))}
        </dl>
      )}
      <ul className="why">
        {why.map((text) => (
          <li key={text}>{withoutFlags(text)}</li>
        ))}
      </ul>
      {(cautions.length > 0 || sources.length > 0 || token) && (
        <Fold
          title={
            <>
              What to beware of<span className="sr-only"> on {name}</span>
            </>
          }
        >
          <ul className="notices">
            {token && <li>{withoutFlags(token.text)}</li>}
            {cautions.map((text) => (
              <li key={text}>{withoutFlags(text)}</li>
            ))}
          </ul>
          {sources.length > 0 && (
            <p className="hint">
              Sources, as of {asOf}: {sources.join('; ')}.
            </p>
          )}
        </Fold>
      )}
    </li>
  )
}

const payoutNames: Readonly<Record<NetworkAdvice['stability'], string>> = {
  stable: 'pays in dollars',
  usd_indexed_token_paid: 'pays in tokens, by the dollar',
  token_floating: 'pays in a floating token',
  none_documented: 'no payout documented',
  unverified: 'unverified',
}

function figuresOf(row: NetworkAdvice, months: number): (readonly [label: string, text: string])[] {
  const { medianUsd: median, shortfallUsd: shortfall, atOwnPrice, lossShare, price, takeShare } = row
  return [
    [`Middle, ${months} months`, dollars(median)],
    ['Bad case', dollars(median === null || shortfall === null ? null : median - shortfall)],
    ['At its own price', dollars(atOwnPrice?.medianUsd ?? null)],
    ['P(loss)', lossShare === null ? 'not known' : shareText(lossShare)],
    ['Rent, per GPU-hour', dollars(price?.usdPerGpuHour ?? null)],
    ['Keeps', takeShare === null ? 'not known' : shareText(takeShare)],
  ]
}
