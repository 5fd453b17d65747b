import { openAlertWebhook } from '#coordinator/alert-webhook.ts'
import type { Coordinator } from '#coordinator/coordinator.ts'
import type { Host, Secrets } from '#host/host.ts'
import { base32 } from '#kernel/id.ts'

const SECRET = 'alert-secret'
const SECRET_BYTES = 32

/** Tells the operator's server, if there is one, of what `coordinator` decides from now on: open it before gateways are heard. */
export function openAlerts(
  host: Host,
  coordinator: Coordinator,
  { alertWebhook: url }: { readonly alertWebhook?: string | undefined },
): { close(): void } {
  if (url === undefined) return { close: () => undefined }
  return openAlertWebhook(host, coordinator, { url, secret: keepAlertSecret(host.secrets) })
}

/** The secret under which alerts are signed, made when it is first needed. */
export function keepAlertSecret(secrets: Pick<Secrets, 'read' | 'write' | 'randomBytes'>): string {
  const kept = secrets.read(SECRET)
  if (kept !== null) return kept
  const made = base32(secrets.randomBytes(SECRET_BYTES))
  secrets.write(SECRET, made)
  return made
}
