import { Command } from 'commander'
import { type AuditHead, noHead } from '#audit/audit.ts'
import { type AuditVerdict, formatAuditLine, verifyAudit } from '#audit/verify-audit.ts'
import type { AuditEntry } from '#protocol/audit.ts'
import type { Client } from '#protocol/client.ts'
import { PAGE_LIMIT_MAX, type PageQuery } from '#protocol/page.ts'
import { Problem } from '#protocol/problem.ts'
import { routes } from '#protocol/routes.ts'
import type { CliContext } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { faultLines, foreignFileText } from './fault-lines.ts'
import { formatNoun, formatTime } from './format.ts'
import { groupCommand } from './group.ts'
import { pageOfOptions, withPageOptions } from './page-options.ts'
import { QuietExit } from './quiet-exit.ts'
import { runSession, show, showLag, showNext, showTable } from './session.ts'
import { type Column, printable } from './table.ts'

/** `shoal audit`: what was done to an organisation, by whom. */
export const auditCommand = (context: CliContext): Command =>
  groupCommand(
    { name: 'audit', description: 'administrative acts: list, export, and verify an export' },
    listCommand(context),
    [exportCommand(context), verifyCommand(context)],
  )

interface ListOptions extends PageQuery {
  readonly act?: string
  readonly organisation?: string
}

const listCommand = (context: CliContext): Command =>
  withPageOptions(new Command('list').description('list administrative acts, newest first (owners)'), 20)
    .option('--act <operation>', 'only this one, such as createKey')
    .option('--organisation <id>', "only this organisation's (operators only)")
    .action((_word: undefined, options: ListOptions, command: Command) =>
      runSession(context, command, async (session) => {
        const { act, organisation } = options
        const query = {
          ...pageOfOptions(options),
          ...(act !== undefined && { act }),
          ...(organisation !== undefined && { organisationId: organisation }),
        }
        const page = await session.operator.listAudit({ query })
        show(session, routes.listAudit.reply, page, () => {
          const table = showTable(session, columns, page.items, 'No acts.')
          return table + showLag(session, page.lagEntries) + showNext(session, page.next)
        })
      }),
    )

interface ExportOptions {
  readonly organisation?: string
  readonly all?: boolean
  readonly out?: string
}

const exportCommand = (context: CliContext): Command =>
  new Command('export')
    .description('write the whole log, a line of JSON for each act, to keep and to verify (owners)')
    .option('--organisation <id>', "another organisation's than the key's own (operators only)")
    .option('--all', "every organisation's (operators only)")
    .option('--out <file>', 'where to (default: standard output)')
    .action((options: ExportOptions, command: Command) =>
      runSession(context, command, async (session) => {
        const client = session.operator
        const own = options.organisation ?? (await client.getOwnKey()).organisationId
        const ids = options.all ? await allOrganisations(client) : [own]
        const lines: string[] = []
        for (const organisationId of ids) lines.push(...(await exportLines(client, organisationId)))
        const text = lines.map((line) => `${line}\n`).join('')
        if (options.out === undefined) return context.stdout.write(text)
        await context.writeFile(options.out, text)
        context.stderr.write(`Wrote ${formatNoun(lines.length, 'line')} to ${printable(options.out)}.\n`)
      }),
    )

async function allOrganisations(client: Client): Promise<string[]> {
  const ids: string[] = []
  for (let before: string | null | undefined; before !== null; ) {
    const query = { limit: PAGE_LIMIT_MAX, ...(before !== undefined && { before }) }
    const page = await client.listOrganisations({ query })
    ids.push(...page.items.map(({ organisationId }) => organisationId))
    before = page.next
  }
  return ids.reverse()
}

/** Every entry up to the head that the coordinator named first, and the line that ends them. */
async function exportLines(client: Client, organisationId: string): Promise<string[]> {
  const entries: AuditEntry[] = []
  let head: AuditHead | null = null
  for (let before: string | null | undefined; before !== null; ) {
    const query = { limit: PAGE_LIMIT_MAX, ...(before !== undefined && { before }) }
    const page = await client.exportAudit({ params: { organisationId }, query })
    head ??= page.head
    entries.push(...page.items)
    before = page.next
  }
  const end = head ?? noHead
  const upToHead = entries.filter(({ sequence }) => sequence <= end.sequence)
  if (upToHead.length < end.sequence) {
    throw new Problem(
      'unavailable',
      `The log has ${end.sequence} entries, of which ${upToHead.length} can be listed yet. Try again in a moment.`,
    )
  }
  return [...upToHead, { end: { organisationId, ...end } }].map(formatAuditLine)
}

interface VerifyOptions {
  readonly head?: string
  readonly organisation?: string
  readonly json?: boolean
}

const verifyCommand = (context: CliContext): Command =>
  new Command('verify')
    .description('check an exported log without the network: nothing changed, left out or moved')
    .argument('<file>', 'what `shoal audit export` wrote')
    .option('--head <sequence:hash>', 'where the log must end, as known from elsewhere; of one organisation')
    .action(async (file: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<VerifyOptions>()
      const text = await context.readFile(file)
      if (text === null) throw new Problem('invalid_request', `There is no file ${file}.`)
      const sha256 = (content: string): string => Buffer.from(context.crypto.sha256(content)).toString('hex')
      const found = verifyAudit(text, sha256)
      const expected = options.head === undefined ? null : headOf(options.head, [...found.heads.keys()])
      const verdict = expected ? verifyAudit(text, sha256, expected) : found
      context.stdout.write(options.json ? verdictJson(verdict) : verdictText(verdict, file))
      if (verdict.faults.length > 0) throw new QuietExit(exitCodes.failed)
    })

function verdictJson({ faults, heads, entries }: AuditVerdict): string {
  const ends = [...heads].map(([organisationId, head]) => ({ organisationId, ...head }))
  return `${JSON.stringify({ isWhole: faults.length === 0, entries, heads: ends, faults }, null, 2)}\n`
}

function verdictText({ faults, heads, entries }: AuditVerdict, path: string): string {
  const isForeign = heads.size === 0 && faults.some(({ kind }) => kind === 'unreadable')
  const lines = isForeign
    ? [foreignFileText({ path, expected: 'audit log', command: 'shoal audit export' })]
    : [
        ...faultLines(faults.map(({ message }) => message)),
        ...[...heads].map(([id, { sequence, hash }]) => `${id} ends with entry ${sequence}, hash ${hash}`),
        faults.length === 0
          ? `Whole: ${formatNoun(entries, 'act')}, each in its place.`
          : `Not whole: ${formatNoun(faults.length, 'fault')}; ${formatNoun(entries, 'act')} could be read.`,
      ]
  return lines.map((line) => `${printable(line)}\n`).join('')
}

function headOf(text: string, organisations: readonly string[]): ReadonlyMap<string, AuditHead> {
  const [, sequence, hash = ''] = /^(\d{1,16}):([0-9a-f]{64})$/.exec(text) ?? []
  const [organisationId, another] = organisations
  if (sequence === undefined || organisationId === undefined || another !== undefined) {
    throw new Problem(
      'invalid_request',
      'Give --head as SEQUENCE:HASH, as `shoal audit verify` prints it, for the log of one organisation.',
    )
  }
  return new Map([[organisationId, { sequence: Number(sequence), hash }]])
}

const columns: Column<AuditEntry>[] = [
  { title: 'WHEN (UTC)', text: (entry) => formatTime(entry.atMs) },
  {
    title: 'WHO',
    text: ({ actor }) => actor.memberId ?? actor.serviceAccountId ?? actor.keyId ?? actor.kind,
  },
  { title: 'ACT', text: (entry) => entry.act },
  { title: 'ON', text: (entry) => entry.objectId ?? entry.organisationId },
  {
    title: 'OUTCOME',
    text: (entry) => entry.problem ?? entry.outcome,
    tone: ({ outcome }) => (outcome === 'done' ? 'good' : 'bad'),
  },
  {
    title: 'DETAILS',
    text: ({ details }) =>
      Object.entries(details)
        .map(([name, value]) => `${name}=${value}`)
        .join(' '),
  },
]
