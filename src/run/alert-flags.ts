/** Where alerts are sent, as the operator says it. */
import { InvalidArgumentError, Option } from 'commander'
import { isLoopback } from './listen-config.ts'

export interface AlertFlags {
  readonly alertWebhook?: string
}

export const alertWebhookOption = (): Option =>
  new Option(
    '--alert-webhook <url>',
    "your server that is told when keys reach 50, 80 and 100 % of what they may spend, when promises are broken too fast, incidents begin and end, and credits are posted; signed with the data folder's secrets/alert-secret",
  )
    .argParser(parseWebhook)
    .env('SHOAL_ALERT_WEBHOOK')

/** Throws `InvalidArgumentError` for all but `https:`, and `http:` on this machine. */
export function parseWebhook(text: string): string {
  const url = URL.parse(text)
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw new InvalidArgumentError('Expected a URL, https://…')
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
    throw new InvalidArgumentError('Expected https://… for a server on another machine.')
  if (url.username !== '' || url.password !== '')
    throw new InvalidArgumentError('Expected a URL without user and password: alerts are signed instead.')
  return url.href
}
