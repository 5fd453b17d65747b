/** A server's certificate and key, as PEM files: what they say, and in one sentence what is wrong with them. */
import { createPrivateKey, hash, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { CertificateFacts, TlsFiles } from '#host/host.ts'
import { DAY_MS, type TimestampMs } from '#kernel/time.ts'
import { Problem } from '#protocol/problem.ts'

export interface Certificate {
  readonly certPem: string
  readonly keyPem: string
  readonly facts: CertificateFacts
}

/** What TLS is told of it. */
export const contextOf = ({ certPem, keyPem }: Pick<Certificate, 'certPem' | 'keyPem'>) =>
  ({ cert: certPem, key: keyPem, minVersion: 'TLSv1.2' }) satisfies SecureContextOptions

/** Throws `Problem('config_invalid')` for files that cannot be served with, whatever the time is. */
export function readCertificate({ certFile, keyFile }: TlsFiles): Certificate {
  const certPem = readPem(certFile, 'certificate')
  const keyPem = readPem(keyFile, 'private key')
  const leaf = parseCertificate(certPem, certFile)
  const key = parseKey(keyPem, keyFile)
  if (!leaf.checkPrivateKey(key)) {
    throw unfit(
      `The key ${keyFile} does not belong to the certificate ${certFile}. Give the two that were issued together.`,
    )
  }
  checkWithTls({ certPem, keyPem }, certFile)
  return {
    certPem,
    keyPem,
    facts: {
      file: certFile,
      names: namesOf(leaf),
      validFromMs: Date.parse(leaf.validFrom),
      expiresAtMs: Date.parse(leaf.validTo),
      tlsKey: hashOfKey(leaf.publicKey),
    },
  }
}

/** Throws `Problem('config_invalid')` for a certificate that nobody would accept now. */
export function checkDates({ file, validFromMs, expiresAtMs }: CertificateFacts, nowMs: TimestampMs): void {
  if (nowMs >= expiresAtMs) {
    throw unfit(
      `The certificate ${file} expired on ${instantOf(expiresAtMs)}, and it is ${instantOf(nowMs)} now. Renew it, and start again.`,
    )
  }
  if (nowMs < validFromMs) {
    throw unfit(
      `The certificate ${file} is valid only from ${instantOf(validFromMs)} on, and this machine's clock says ${instantOf(nowMs)}. Set the clock, or get a certificate that is valid now.`,
    )
  }
}

/** Throws `Problem('config_invalid')` for a certificate that is not for `host`, by which others are to come. */
export function checkName({ certFile }: TlsFiles, host: string): void {
  const leaf = parseCertificate(readPem(certFile, 'certificate'), certFile)
  const address = host.replace(/^\[|\]$/g, '')
  const isFor = isIP(address) ? leaf.checkIP(address) : leaf.checkHost(host)
  if (isFor !== undefined) return
  const names = namesOf(leaf)
  const found = names.length > 0 ? names.join(', ') : 'no name at all'
  throw unfit(
    `The certificate ${certFile} is for ${found}, not for ${host}, which --public-url names. Get one for that name, or correct the address.`,
  )
}

/** How long before its end a certificate is told to be renewed: two weeks, or a fifth of a shorter life. */
export const isExpiring = ({ validFromMs, expiresAtMs }: CertificateFacts, nowMs: TimestampMs): boolean =>
  expiresAtMs - nowMs < Math.min(EXPIRING_MS, (expiresAtMs - validFromMs) / 5)
const EXPIRING_MS = 14 * DAY_MS

/** SHA-256, in hex, of a public key as SPKI: what of a certificate stays when it is renewed with the same key. */
export const hashOfKey = (key: KeyObject): string =>
  hash('sha256', key.export({ type: 'spki', format: 'der' }), 'hex')

/** `2026-11-22 12:00 UTC`. */
export const instantOf = (ms: TimestampMs): string =>
  `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`

function readPem(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? reasons[String(cause.code)] : undefined
    throw unfit(
      `The ${what} ${file} cannot be read${why ? `: ${why}` : ''}. Check the path, and who may read it.`,
      cause,
    )
  }
}
const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'this user may not',
  EISDIR: 'it is a folder',
}

function parseCertificate(pem: string, file: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (cause) {
    throw unfit(
      `${file} holds no certificate in PEM form ("-----BEGIN CERTIFICATE-----"). Give the file that your authority issued, the chain included.`,
      cause,
    )
  }
}

function parseKey(pem: string, file: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    const isLocked = /ENCRYPTED/.test(pem)
    throw unfit(
      isLocked
        ? `The key ${file} is locked with a passphrase, which nobody is there to type. Give it without one: openssl pkey -in ${file} -out open.key`
        : `${file} holds no private key in PEM form ("-----BEGIN PRIVATE KEY-----"). Give the key that belongs to the certificate.`,
      cause,
    )
  }
}

/** Only the first certificate was read so far, and TLS asks more of all of them: a chain cut off while it is copied, a key that is too short. */
function checkWithTls(pems: Pick<Certificate, 'certPem' | 'keyPem'>, certFile: string): void {
  try {
    createSecureContext(contextOf(pems))
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw unfit(
      `TLS cannot use ${certFile} and its key: ${why}. Give the whole file that your authority issued, the chain included, and a key that is not too short.`,
      cause,
    )
  }
}

/** As `DNS:net.example, IP Address:10.0.0.1`. */
const namesOf = (leaf: X509Certificate): string[] =>
  (leaf.subjectAltName ?? '')
    .split(', ')
    .flatMap((entry) => /^(?:DNS|IP Address):(.+)$/.exec(entry)?.[1] ?? [])

const unfit = (message: string, cause?: unknown): Problem => new Problem('config_invalid', message, { cause })
