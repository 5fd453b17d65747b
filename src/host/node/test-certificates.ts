/** For tests: an authority and certificates that it issued, made with openssl. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TlsFiles } from '#host/host.ts'

export interface TestAuthority {
  readonly folder: string
  readonly caFile: string
  /** A certificate for `names`, as `DNS:localhost,IP:127.0.0.1`; one for fewer than 0 days has expired. */
  issue(name: string, names: string, days?: number): TlsFiles
  dispose(): void
}

/** Why certificates cannot be made here, or false. */
export const opensslMissing = ((): string | false => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return false
  } catch {
    return 'openssl is not installed'
  }
})()

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

export function createTestAuthority(): TestAuthority {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-ca-'))
  const openssl = (args: readonly string[]): void =>
    void execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  const subject = '/CN=Shoal test authority'
  openssl(['req', '-x509', ...KEY, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '30', '-subj', subject])
  return {
    folder,
    caFile: join(folder, 'ca.pem'),
    issue(name, names, days = 30) {
      const [cert, key] = [`${name}.pem`, `${name}.key`]
      openssl(['req', ...KEY, '-keyout', key, '-out', `${name}.csr`, '-subj', `/CN=${name}`])
      writeFileSync(join(folder, `${name}.ext`), `subjectAltName=${names}`)
      const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', String(days)]
      openssl(['x509', '-req', '-in', `${name}.csr`, ...signing, '-extfile', `${name}.ext`, '-out', cert])
      return { certFile: join(folder, cert), keyFile: join(folder, key) }
    },
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  }
}
