/** Whose certificates this process believes. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { Problem } from '#protocol/problem.ts'

let asked: string | null = null

/**
 * From now on believes, besides the authorities that Node ships (and `NODE_EXTRA_CA_CERTS`), those of this machine and
 * those in `caFile`, in PEM form, if it is not null. Costs a tenth of a second, and nothing when it was done before.
 * Throws `Problem('config_invalid')`.
 */
export function trustAuthorities(caFile: string | null): void {
  const wanted = caFile ?? ''
  if (asked === wanted) return
  const own = caFile === null ? [] : readAuthorities(caFile)
  setDefaultCACertificates([
    ...getCACertificates('bundled'),
    ...getCACertificates('extra'),
    ...systemOnes(),
    ...own,
  ])
  asked = wanted
}

function systemOnes(): string[] {
  try {
    return getCACertificates('system')
  } catch {
    return [] // A machine without a store of its own still has Node's.
  }
}

function readAuthorities(file: string): string[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    throw unfit(`The certificates in --ca ${file} cannot be read (${why}). Check the path.`, cause)
  }
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (found.length === 0)
    throw unfit(`--ca ${file} holds no certificate in PEM form ("-----BEGIN CERTIFICATE-----").`)
  for (const pem of found) {
    try {
      new X509Certificate(pem)
    } catch (cause) {
      throw unfit(`--ca ${file} holds a damaged certificate. Copy it again.`, cause)
    }
  }
  return found
}

const unfit = (message: string, cause?: unknown): Problem => new Problem('config_invalid', message, { cause })
