/** Which network a command talks to, and as whom. */
import { z } from 'zod'
import { Problem } from '#protocol/problem.ts'
import type { CliContext } from './context.ts'

/** `<data>/credentials.json`, written by `shoal up` for the commands on the same machine. */
export const Credentials = z.object({
  apiUrl: z.url(),
  openaiBaseUrl: z.url(),
  /** For work: chat, usage, the organisation's own lists. */
  apiKey: z.string().min(1),
  /** For running the network: deposits, nodes, keys. */
  operatorKey: z.string().min(1).optional(),
})
export type Credentials = z.output<typeof Credentials>

/** Where `shoal up` listens unless told otherwise. */
export const PORT_DEFAULT = 7420

export const CREDENTIALS_FILE = 'credentials.json'

/** Options that every command takes. */
export interface GlobalOptions {
  readonly url?: string
  readonly key?: string
  readonly data?: string
  readonly json?: boolean
  readonly ca?: string
}

export interface Connection {
  readonly apiUrl: string
  readonly openaiBaseUrl: string
  /** `null` when none is known for this network. */
  readonly apiKey: string | null
  readonly operatorKey: string | null
}

/** Authorities whose certificates are believed besides those that this machine knows; null: no others. */
export const caFileOf = ({ env }: Pick<CliContext, 'env'>, { ca }: GlobalOptions): string | null =>
  ca ?? (env['SHOAL_CA'] || null)

export const dataFolderOf = (context: Pick<CliContext, 'homeFolder'>, options: GlobalOptions): string =>
  options.data ?? `${context.homeFolder}/.shoal`

/**
 * Options go before the environment, and that before the data folder's credentials. Kept keys are used only for the
 * network that they came from: an address given by hand never gets them unless it is the same.
 */
export async function resolveConnection(
  context: Pick<CliContext, 'env' | 'homeFolder' | 'readFile'>,
  options: GlobalOptions,
): Promise<Connection> {
  const { SHOAL_URL, SHOAL_API_KEY, SHOAL_OPENAI_BASE_URL } = context.env
  const folder = dataFolderOf(context, options)
  const kept = await readCredentials(context, `${folder}/${CREDENTIALS_FILE}`)
  const given = options.url ?? (SHOAL_URL || undefined)
  if (given === undefined && kept === null) {
    throw new Problem(
      'config_invalid',
      `No network is known: ${folder}/${CREDENTIALS_FILE} does not exist. Start one with \`shoal up\`, or name one with --url and --key (or SHOAL_URL and SHOAL_API_KEY).`,
    )
  }
  const apiUrl = originOf(given ?? kept?.apiUrl ?? '')
  const known = kept !== null && originOf(kept.apiUrl) === apiUrl ? kept : null
  const key = options.key ?? (SHOAL_API_KEY || undefined)
  return {
    apiUrl,
    openaiBaseUrl: (SHOAL_OPENAI_BASE_URL || (known?.openaiBaseUrl ?? `${apiUrl}/v1`)).replace(/\/+$/, ''),
    apiKey: key ?? known?.apiKey ?? null,
    operatorKey: key ?? known?.operatorKey ?? known?.apiKey ?? null,
  }
}

async function readCredentials(
  context: Pick<CliContext, 'readFile'>,
  path: string,
): Promise<Credentials | null> {
  const text = await context.readFile(path)
  if (text === null) return null
  try {
    return Credentials.parse(JSON.parse(text))
  } catch (error) {
    const message = `${path} is not what \`shoal up\` writes. Start the network again to renew it, or delete the file.`
    throw new Problem('config_invalid', message, { cause: error })
  }
}

/** Scheme, host and port. */
function originOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : null
  if (parsed?.protocol === 'http:' || parsed?.protocol === 'https:') return parsed.origin
  throw new Problem(
    'invalid_request',
    `${JSON.stringify(url)} is not an address of a network. Give one such as http://127.0.0.1:7420.`,
  )
}
