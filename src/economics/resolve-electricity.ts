import type { Candidate, Collector } from './collect-inputs.ts'
import type { Place } from './electricity-data.ts'
import type { Measured, RoiInput } from './roi-input.ts'
import type { TariffMean } from './tariff-mean.ts'

interface Asked {
  readonly input: RoiInput
  readonly measured: Measured | null
  readonly place: Place | null
  readonly tariff: TariffMean | null
  /** What the source ids of the electricity file mean. */
  readonly sources: Readonly<Record<string, string>>
}

/** USD/kWh: as said, as measured, or what the place pays; `null` where that is not known. */
export function resolveElectricity(
  collector: Collector,
  { input, measured, place, tariff, sources }: Asked,
): number | null {
  const site = input.site ?? 'home'
  const price = collector.take(
    'electricity',
    {
      given: input.electricityPerKwh,
      told: tariff && { value: tariff.usdPerKwh, origin: 'given', source: tariff.source, asOf: tariff.asOf },
      measured: measured?.electricityPerKwh,
      found: place && priceIn(place, site, sources),
    },
    { blocks: 'everything', why: whyUnknown(place, site) },
  )
  if (price === 0) {
    collector.notices.push(
      'At 0 USD/kWh electricity costs nothing: right only where it could not be sold or saved.',
    )
  }
  return price
}

function priceIn(place: Place, site: 'home' | 'colocation', sources: Asked['sources']): Candidate | null {
  const [value, id, asOf, who] =
    site === 'home'
      ? [place.residential_usd_kwh, place.residential_source, place.residential_year, 'households']
      : [place.industrial_usd_kwh, place.industrial_source, place.industrial_year, 'large consumers']
  if (value === null || id === null) return null
  return { value, origin: 'catalogue', source: `${who} in ${place.name}: ${sources[id] ?? id}`, asOf }
}

function whyUnknown(place: Place | null, site: 'home' | 'colocation'): string {
  if (!place) return 'Say what the next kilowatt-hour costs you, or where you are (--country).'
  if (site === 'colocation')
    return `The catalogue has no industrial price for ${place.name}: look at your contract.`
  const industrial = place.industrial_usd_kwh
  const other =
    industrial === null
      ? ''
      : ` Large consumers there pay about ${industrial} USD/kWh without tax, which no home gets.`
  return `The catalogue has no household price for ${place.name}: look at your bill.${other}`
}
