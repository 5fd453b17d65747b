/**
 * Where a model comes from, as its owner writes it: the path of a GGUF file, `hf:owner/repository/file.gguf@revision`
 * for the Hugging Face hub, or an https URL. Anything but a path needs a network the first time.
 */
import { Problem } from '#protocol/problem.ts'

export type ModelSource = ModelFile | ModelOnline

export interface ModelFile {
  readonly kind: 'file'
  readonly path: string
}
export interface ModelOnline {
  readonly kind: 'online'
  readonly url: URL
  /** Unique for the place it comes from, and safe as a file name anywhere. */
  readonly fileName: string
  /** Hex, when the owner gave it; the hub tells its own otherwise. */
  readonly sha256: string | null
}

export interface DownloadProgress {
  readonly receivedBytes: number
  /** `null` when the server does not tell. */
  readonly totalBytes: number | null
  /** Lately; 0 while nothing moves. */
  readonly bytesPerSecond: number
}

export interface ModelDownload {
  readonly url: URL
  /** Where the file is to be. */
  readonly path: string
  readonly sha256: string | null
  /** Sent to the host of `url` alone, for models that need a permission. */
  readonly token?: string
}

export interface DownloadWatch {
  onProgress(progress: DownloadProgress): void
  /** Stops it; what is there is kept, and the next download goes on from it. */
  readonly signal: AbortSignal
}

export interface ModelDownloads {
  /**
   * Resolves once the whole, checked file is at `path`, at once if it is there already. Rejects with a `Problem`:
   * `cancelled`, `disk_full`, `disk_read_only`, `model_missing`, `model_corrupt`, `network_unreachable`, `network_timeout`.
   */
  downloadModel(download: ModelDownload, watch: DownloadWatch): Promise<void>
}

export interface AcquireOptions extends DownloadWatch {
  /** Absolute path of the folder for downloaded models. */
  readonly folder: string
  readonly token?: string
}

/** The path of the model's file, downloaded first if it has to be. Rejects as `downloadModel` does. */
export async function acquireModel(
  source: ModelSource,
  downloads: ModelDownloads,
  options: AcquireOptions,
): Promise<string> {
  if (source.kind === 'file') return source.path
  const { url, fileName, sha256 } = source
  const path = `${options.folder.replace(/[/\\]+$/, '')}/${fileName}`
  const token = options.token === undefined ? {} : { token: options.token }
  await downloads.downloadModel({ url, path, sha256, ...token }, options)
  return path
}

const HUB = 'https://huggingface.co'
const EXAMPLES =
  'Give the path of a .gguf file, hf:owner/repository/file.gguf or https://host/file.gguf, the last two with #sha256=... if you know it.'

/** Throws `Problem('config_invalid')` that says what is wrong with `text` and how it is written. */
export function parseModelSource(text: string): ModelSource {
  const [place = '', fragment] = text.trim().split('#', 2)
  if (/^https?:\/\//i.test(place)) return onlineAt(urlOf(place, text), fragment, text)
  if (/^hf:/i.test(place)) return onlineAt(hubUrl(place.slice(3), text), fragment, text)
  // A `#` may be part of a path.
  if (/\.gguf$/i.test(text.trim())) return { kind: 'file', path: text.trim() }
  throw invalid(text, 'does not name a GGUF file')
}

/** How the model may be called where its owner gave no name: the file's, without folders, shard and ending. */
export function defaultModelId(source: ModelSource): string {
  const place = source.kind === 'file' ? source.path : decodeURIComponent(source.url.pathname)
  const name = place.split(/[/\\]/).at(-1) ?? place
  return name.replace(/\.gguf$/i, '').replace(/-\d{5}-of-\d{5}$/, '')
}

function onlineAt(url: URL, fragment: string | undefined, text: string): ModelOnline {
  if (!/\.gguf$/i.test(url.pathname)) throw invalid(text, 'does not name a GGUF file')
  const isLoopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname)
  if (url.protocol === 'http:' && !isLoopback)
    throw invalid(text, 'is not an https address, so anybody on the way could change the model')
  const path = decodeURIComponent(url.pathname).replace('/resolve/main/', '/').replace('/resolve/', '/')
  const fileName = `${url.host}${path}`.replace(/[^\w.-]+/g, '--').replace(/^huggingface\.co--/, '')
  return { kind: 'online', url, fileName, sha256: sha256Of(fragment, text) }
}

/** `owner/repository/folder/file.gguf@revision` */
function hubUrl(place: string, text: string): URL {
  const [path = '', revision = 'main', ...rest] = place.split('@')
  const [owner, repository, ...file] = path.split('/')
  if (!owner || !repository || file.length === 0 || revision === '' || rest.length > 0) {
    throw invalid(text, 'is not of the form hf:owner/repository/file.gguf')
  }
  return urlOf(
    `${HUB}/${owner}/${repository}/resolve/${encodeURIComponent(revision)}/${file.join('/')}`,
    text,
  )
}

function urlOf(place: string, text: string): URL {
  const url = URL.parse(place)
  if (url === null) throw invalid(text, 'is not a valid address')
  return url
}

function sha256Of(fragment: string | undefined, text: string): string | null {
  if (fragment === undefined) return null
  const match = /^sha256=([0-9a-f]{64})$/i.exec(fragment)
  if (match?.[1] === undefined)
    throw invalid(text, 'ends in a # that is not followed by sha256= and 64 hexadecimal digits')
  return match[1].toLowerCase()
}

const invalid = (text: string, what: string): Problem =>
  new Problem('config_invalid', `The model "${text}" ${what}. ${EXAMPLES}`)
