/** The catalogue that is shipped, for tests. */
import { readFileSync } from 'node:fs'
import { type Catalogue, parseCatalogue } from './catalogue.ts'

export function shippedCatalogue(): Catalogue {
  const read = (name: string): unknown =>
    JSON.parse(readFileSync(new URL(`../../data/${name}.json`, import.meta.url), 'utf8'))
  return parseCatalogue({ gpus: read('gpus'), electricity: read('electricity'), networks: read('networks') })
}
