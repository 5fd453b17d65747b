/** The files of models that the network places on this node, on its disk. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import type { HostedFile, HostedFiles } from '#agent/hosting/hosted-files.ts'
import { chooseHubFile, hubFileUrl, hubListUrl } from '#engines/hosted-source.ts'
import { readGguf } from '#engines/llama-cpp/gguf.ts'
import { ggufFacts } from '#engines/llama-cpp/gguf-facts.ts'
import type { DownloadWatch } from '#engines/model-source.ts'
import type { Clock } from '#host/host.ts'
import { toDiskProblem } from '#host/node/disk-problem.ts'
import { hashFile, openModelCache } from '#host/node/model-cache.ts'
import { createPublicFetch } from '#host/node/public-fetch.ts'
import type { ModelFacts, WantedModel } from '#protocol/model-catalogue.ts'
import { Problem } from '#protocol/problem.ts'

export interface HostedFilesOptions {
  readonly folder: string
  readonly cacheMib: number
  readonly hubUrl: string
  /** Hosts that may be gone to although they are not public. */
  readonly hosts: readonly string[]
}

const MIB = 1024 * 1024
const LIST_BYTES_MAX = 4 * MIB

export function createHostedFiles({ clock }: { clock: Clock }, options: HostedFilesOptions): HostedFiles {
  const { folder, cacheMib, hubUrl, hosts } = options
  // What the owner named as the hub is meant, wherever it is.
  const fetch = createPublicFetch([...hosts, new URL(hubUrl).host])
  const cache = openModelCache({ folder, bytesMax: cacheMib * MIB, fetch })

  async function online(
    { key, source }: WantedModel,
    keep: ReadonlySet<string>,
    watch: DownloadWatch,
  ): Promise<string> {
    if (source.kind === 'url')
      return cache.obtain(
        { key, url: new URL(source.url), sha256: source.sha256 ?? null, keep },
        watch,
        clock.nowMs(),
      )
    if (source.kind !== 'hub') throw new Problem('config_invalid', `A ${source.kind} has no file to fetch.`)
    const url = hubFileUrl(source, hubUrl) ?? (await askHub(source, watch.signal))
    return cache.obtain({ key, url, sha256: source.sha256 ?? null, keep }, watch, clock.nowMs())
  }

  async function askHub(source: WantedModel['source'] & { kind: 'hub' }, signal: AbortSignal): Promise<URL> {
    const url = hubListUrl(source, hubUrl)
    const response = await fetch(new Request(url, { signal }))
    if (!response.ok)
      throw new Problem(
        'model_missing',
        `${url.host} does not have ${source.repository} (status ${response.status}).`,
      )
    const file = chooseHubFile(parseJson(await readText(response)), source)
    const named = hubFileUrl({ ...source, file }, hubUrl)
    if (!named) throw new Problem('model_missing', `${source.repository} has no file of that name.`)
    return named
  }

  return {
    keys: () => cache.keys(),
    async obtain(wanted, keep, watch): Promise<HostedFile> {
      const { source, key } = wanted
      if (source.kind === 'file') {
        const { sha256 } = await hashFile(source.path, watch.signal)
        if (sha256 !== source.sha256) throw otherFile(source.path)
        return { path: source.path, facts: readFacts(source.path) }
      }
      const path = await online(wanted, keep, watch)
      try {
        return { path, facts: readFacts(path) }
      } catch (error) {
        // A page that calls itself a model would stand in the way of the next try.
        if (error instanceof Problem && error.code === 'model_corrupt') await cache.remove(key)
        throw error
      }
    },
  }
}

function readFacts(path: string): ModelFacts {
  let descriptor: number
  try {
    descriptor = openSync(path, 'r')
  } catch (error) {
    throw toDiskProblem(error, path)
  }
  try {
    const sizeBytes = fstatSync(descriptor).size
    const read = (offset: number, length: number): Uint8Array => {
      const bytes = new Uint8Array(length)
      return bytes.subarray(0, readSync(descriptor, bytes, 0, length, offset))
    }
    return ggufFacts(readGguf({ sizeBytes, read }, path), sizeBytes)
  } finally {
    closeSync(descriptor)
  }
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true })
    if (text.length > LIST_BYTES_MAX)
      throw new Problem('model_missing', 'The hub’s list of files has no end.')
  }
  return text
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null // It is then said to be no list of files.
  }
}

const otherFile = (path: string): Problem =>
  new Problem(
    'model_corrupt',
    `${path} on this machine is not the file that the network's operator added: its sha256 is another one.`,
  )
