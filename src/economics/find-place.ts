/** Which place of the catalogue a text means: its code, its name, or one of the names that people use. */
import { closest } from './closest-names.ts'
import type { Place } from './electricity-data.ts'

export type PlaceMatch =
  | { readonly kind: 'found'; readonly place: Place }
  /** `GA` is Georgia of the United States by one code and Gabon by the other. */
  | { readonly kind: 'ambiguous'; readonly places: readonly Place[] }
  | { readonly kind: 'unknown'; readonly closest: readonly Place[] }

const otherNames: Readonly<Record<string, string>> = {
  usa: 'US',
  'united states of america': 'US',
  america: 'US',
  uk: 'GB',
  'great britain': 'GB',
  england: 'GB',
  deutschland: 'DE',
  holland: 'NL',
  'the netherlands': 'NL',
  'czech republic': 'CZ',
  turkey: 'TR',
  turkiye: 'TR',
  korea: 'KR',
  uae: 'AE',
  emirates: 'AE',
  eu: 'EU27',
  europe: 'EU27',
  world: 'WORLD',
  'washington dc': 'US-DC',
}
const COUNT_MAX = 5

export function findPlace(text: string, places: readonly Place[]): PlaceMatch {
  const wanted = text.trim().toLowerCase().replaceAll(/\s+/g, ' ')
  const code = (otherNames[wanted] ?? wanted).toLowerCase()
  const byCode = places.find((place) => place.code.toLowerCase() === code)
  if (byCode) return { kind: 'found', place: byCode }
  const byName = places.filter((place) => plain(place.name) === wanted)
  // A country and a state of one name, as Georgia: which of them is for the asker to say.
  if (byName.length > 1) return { kind: 'ambiguous', places: byName }
  const [only] = byName
  if (only) return { kind: 'found', place: only }
  const state = places.find((place) => place.code.toLowerCase() === `us-${code}`)
  if (state) return { kind: 'found', place: state }
  const textsOf = (place: Place): string[] => [plain(place.name), place.code.toLowerCase()]
  return { kind: 'unknown', closest: closest(wanted, places, { textsOf, countMax: COUNT_MAX }) }
}

const plain = (name: string): string => name.toLowerCase()
