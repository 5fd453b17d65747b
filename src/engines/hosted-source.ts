/** Where a file of the catalogue really is: the hub's addresses for names of the hub. */
import { z } from 'zod'
import type { CatalogueSource } from '#protocol/model-catalogue.ts'
import { Problem } from '#protocol/problem.ts'

export const HUB_DEFAULT = 'https://huggingface.co'

type HubSource = Extract<CatalogueSource, { kind: 'hub' }>

/** The file's address; null while the repository has to be asked which file it is (`hubListUrl`, `chooseHubFile`). */
export function hubFileUrl({ repository, file, revision = 'main' }: HubSource, hub: string): URL | null {
  if (file === undefined) return null
  return new URL(`${hub.replace(/\/+$/, '')}/${repository}/resolve/${encodeURIComponent(revision)}/${file}`)
}

/** Where the hub lists the files of the repository. */
export const hubListUrl = ({ repository, revision = 'main' }: HubSource, hub: string): URL =>
  new URL(`${hub.replace(/\/+$/, '')}/api/models/${repository}/revision/${encodeURIComponent(revision)}`)

const HubList = z.object({ siblings: z.array(z.object({ rfilename: z.string().max(1_000) })).max(10_000) })
const NAMED_MAX = 10

/** The repository's only GGUF file, or its Q4_K_M. Throws `Problem('model_missing')` that names what there is. */
export function chooseHubFile(list: unknown, { repository }: HubSource): string {
  const parsed = HubList.safeParse(list)
  if (!parsed.success)
    throw new Problem(
      'model_missing',
      `What the hub says of ${repository} is no list of files. Name the file.`,
    )
  const files = parsed.data.siblings
    .map(({ rfilename }) => rfilename)
    // Parts of one model are no models.
    .filter(
      (name) => /\.gguf$/i.test(name) && !/-\d{5}-of-\d{5}\.gguf$/i.test(name) && !/(^|\/)mmproj/i.test(name),
    )
  const [only, second] = files
  const chosen = second === undefined ? only : files.find((name) => /q4_k_m\.gguf$/i.test(name))
  if (chosen !== undefined) return chosen
  const named = files.slice(0, NAMED_MAX).join(', ')
  const what = files.length === 0 ? 'has no GGUF file in one piece' : `has several GGUF files (${named})`
  throw new Problem('model_missing', `${repository} ${what}. Name the file: --hf ${repository}:FILE.`)
}
