/** What one run of a command works with: the network, the output, and the user's Ctrl-C. */
import type { Command } from 'commander'
import { z } from 'zod'
import { type Client, createClient } from '#protocol/client.ts'
import { Problem } from '#protocol/problem.ts'
import { routes } from '#protocol/routes.ts'
import type { CliContext, CliOutput } from './context.ts'
import { type Connection, caFileOf, type GlobalOptions, resolveConnection } from './credentials.ts'
import { completeCommands } from './same-network.ts'
import { type Style, styleFor } from './style.ts'
import { type Column, formatFields, formatTable } from './table.ts'

export interface Session {
  readonly context: CliContext
  readonly connection: Connection
  /** Acts with the key for work. */
  readonly member: Client
  /** Acts with the key for running the network, where one is kept; else with the same. */
  readonly operator: Client
  /** Acts without a key: for the few calls that take a token instead. */
  readonly anyone: Client
  readonly isJson: boolean
  /** Commands that a text tells of lead to this network, wherever they are typed. */
  readonly complete: (text: string) => string
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
  readonly style: Style
}

/** Runs one command's work. `--json` and the connection come from the options that every command shares. */
export async function runSession(
  context: CliContext,
  command: Command,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  const options = command.optsWithGlobals<GlobalOptions>()
  const connection = await resolveConnection(context, options)
  if ([connection.apiUrl, connection.openaiBaseUrl].some((url) => url.startsWith('https:')))
    context.trustAuthorities(caFileOf(context, options))
  const controller = new AbortController()
  // Only the first Ctrl-C is ours: a second one ends the process, should the work not stop.
  const unsubscribe = context.onInterrupt(() => {
    unsubscribe()
    controller.abort(new Problem('cancelled', 'Interrupted.'))
  })
  const { signal } = controller
  const complete = (text: string): string => completeCommands(text, options)
  try {
    await work({
      context: { ...context, stderr: completing(context.stderr, complete) },
      connection,
      member: clientOf(context, connection, { apiKey: connection.apiKey, signal }),
      operator: clientOf(context, connection, { apiKey: connection.operatorKey, signal }),
      anyone: createClient(routes, {
        baseUrl: connection.apiUrl,
        fetch: (request) => context.fetch(new Request(request, { signal })),
      }),
      isJson: options.json === true,
      complete,
      signal,
      style: styleFor(context.stdout, context.env),
    })
  } catch (error) {
    // What another network's commands say of themselves, as `provide` does, is not this one's to complete.
    if (error instanceof Problem) error.message = complete(error.message)
    throw error
  } finally {
    unsubscribe()
  }
}

function completing(output: CliOutput, complete: (text: string) => string): CliOutput {
  return {
    write: (text) => output.write(complete(text)),
    get isTty() {
      return output.isTty
    },
    get columns() {
      return output.columns
    },
  }
}

function clientOf(
  context: CliContext,
  { apiUrl }: Connection,
  { apiKey, signal }: { apiKey: string | null; signal: AbortSignal },
): Client {
  return createClient(routes, {
    baseUrl: apiUrl,
    ...(apiKey !== null && { apiKey }),
    fetch(request) {
      if (apiKey === null) return Promise.reject(keyMissing(apiUrl))
      return context.fetch(new Request(request, { signal }))
    },
  })
}

const keyMissing = (apiUrl: string): Problem =>
  new Problem('invalid_api_key', `No key is kept for ${apiUrl}. Give one with --key, or as SHOAL_API_KEY.`)

/** Prints `value` in its wire form with `--json`, else what `render` makes of it. */
export function show<Schema extends z.ZodType>(
  session: Session,
  schema: Schema,
  value: z.output<Schema>,
  render: () => string,
): void {
  session.context.stdout.write(
    session.isJson
      ? `${JSON.stringify(z.encode(schema, value), null, 2)}\n`
      : `${session.complete(render())}\n`,
  )
}

/** A table, or `empty` where there is nothing to show. */
export const showTable = <Row>(
  session: Pick<Session, 'style'>,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  empty: string,
): string => (rows.length === 0 ? session.style('dim', empty) : formatTable(columns, rows, session.style))

export const showFields = (
  session: Pick<Session, 'style'>,
  fields: readonly (readonly [name: string, value: string])[],
): string => formatFields(fields, session.style)

/** That the newest entries are not in the tables yet, as a line of its own. */
export function showLag(session: Pick<Session, 'style'>, lagEntries: number): string {
  if (lagEntries === 0) return ''
  const what = lagEntries === 1 ? 'journal entry' : `${lagEntries} journal entries`
  return `\n${session.style('dim', `The newest ${what} may be missing; look again in a moment.`)}`
}

/** How to get the page after this one, as the last line of a table. */
export const showNext = (session: Pick<Session, 'style'>, next: string | null): string =>
  next === null ? '' : `\n${session.style('dim', `There is more: add --before ${next}`)}`
