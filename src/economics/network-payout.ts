import type { GpuNetwork } from './network-data.ts'

/**
 * Why no forecast can be made of what a network pays, as a sentence; `null` where one can. Points, an emission and "APY"
 * are rewards: they are shown, and never counted as rent.
 */
export function whyNoForecast({ verified, terms }: GpuNetwork): string | null {
  if (!verified) return 'No primary source was found for it: it is shown, and never ranked.'
  if (terms.payout_tie === 'none') return `No payout in money is documented. ${terms.take_basis ?? ''}`.trim()
  if (terms.payout_tie === null) return 'How it pays is not known.'
  if (terms.emission !== null) {
    const token = terms.payout_token ?? 'its token'
    return `Its nodes share an emission of ${token}, whatever renters pay: that is a reward, which is no income before it is sold and is never counted as rent.`
  }
  return terms.take_share === null ? 'What it keeps of the rent is not known.' : null
}

/** What an emission comes to in tokens, for people; `null` where the network has none, or no score for the GPU. */
export function emissionText({ terms }: GpuNetwork, weight: number | null): string | null {
  const { emission, payout_token } = terms
  if (emission === null || weight === null) return null
  const { job_tokens_per_full_week: job, availability_tokens_per_week: online, note, as_of } = emission
  const perWeek = Number((job * weight).toFixed(2))
  return `Not counted: ${perWeek} ${payout_token} for a week at work without a gap, and ${online} for being online (${note}; ${as_of}).`
}
