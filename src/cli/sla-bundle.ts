/** The evidence of a month: fetched from the network, and computed anew without it. */
import { Command, Option } from 'commander'
import type { Client } from '#protocol/client.ts'
import { PAGE_LIMIT_MAX } from '#protocol/page.ts'
import { Problem } from '#protocol/problem.ts'
import { Month, SlaClass } from '#protocol/sla.ts'
import type { BundleSeal } from '#protocol/sla-evidence.ts'
import { spanOfMonth } from '#sla/bins.ts'
import { formatBundleLine, hashOfFact, NO_HASH } from '#sla/bundle.ts'
import { MONTH_GRACE_MS, STATEMENTS_KEPT_MONTHS } from '#sla/sla.ts'
import { type BundleVerdict, verifyBundle } from '#sla/verify-bundle.ts'
import type { CliContext } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { faultLines, foreignFileText } from './fault-lines.ts'
import { formatCount, formatMoney, formatNoun } from './format.ts'
import { QuietExit } from './quiet-exit.ts'
import { runSession } from './session.ts'
import { printable } from './table.ts'

interface BundleOptions {
  readonly month: string
  readonly class: SlaClass
  readonly organisation?: string
  readonly out?: string
}

export const bundleCommand = (context: CliContext): Command =>
  new Command('bundle')
    .description('write the evidence of a month, a line of JSON for each request, signed by the network')
    .requiredOption('--month <month>', 'in UTC, such as 2026-11')
    .addOption(
      new Option('--class <class>', 'of which class').choices(SlaClass.options).makeOptionMandatory(true),
    )
    .option('--organisation <id>', "another organisation than the key's own (operators only)")
    .option('--out <file>', 'where to (default: standard output)')
    .action((options: BundleOptions, command: Command) =>
      runSession(context, command, async (session) => {
        const { organisation, out } = options
        const client = organisation === undefined ? session.member : session.operator
        const text = await bundleText(context, client, options)
        if (out === undefined) return context.stdout.write(text)
        await context.writeFile(out, text)
        context.stderr.write(
          `Wrote ${formatNoun(text.split('\n').length - 3, 'fact')} to ${printable(out)}. Check it with "shoal sla recompute".\n`,
        )
      }),
    )

async function bundleText(context: CliContext, client: Client, options: BundleOptions): Promise<string> {
  if (!Month.safeParse(options.month).success) {
    throw new Problem('invalid_request', `'${options.month}' is no month. Give one as 2026-11.`)
  }
  const query = {
    month: options.month,
    slaClass: options.class,
    limit: PAGE_LIMIT_MAX,
    ...(options.organisation !== undefined && { organisationId: options.organisation }),
  }
  const sha256 = hexSha256(context)
  const lines: string[] = []
  let head = NO_HASH
  for (let before: string | undefined; ; ) {
    const page = await client.getSlaEvidence({ query: { ...query, ...(before !== undefined && { before }) } })
    for (const fact of page.items) {
      const place = { sequence: lines.length + 1, previousHash: head, fact }
      head = hashOfFact(place, sha256)
      lines.push(formatBundleLine({ ...place, hash: head }))
    }
    if (page.next !== null) {
      before = page.next
      continue
    }
    const { seal, signature } = page
    if (!seal || signature === null) throw new Problem('unavailable', 'The network sent no seal. Try again.')
    if (seal.facts !== lines.length || seal.head !== head) {
      throw new Problem('unavailable', 'The month went on while it was read. Try again.')
    }
    const { version, networkKey, organisationId, slaClass, month } = seal
    const header = { version, networkKey, organisationId, slaClass, month }
    const all = [formatBundleLine({ header }), ...lines, formatBundleLine({ seal, signature })]
    return all.map((line) => `${line}\n`).join('')
  }
}

interface RecomputeOptions {
  readonly networkKey?: string
  readonly json?: boolean
}

export const recomputeCommand = (context: CliContext): Command =>
  new Command('recompute')
    .description('compute the credit of a month anew from its evidence, without the network')
    .argument('<file>', 'what `shoal sla bundle` wrote')
    .option('--network-key <hex>', 'by which the seal must be, as known from elsewhere')
    .action(async (file: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<RecomputeOptions>()
      const text = await context.readFile(file)
      if (text === null) throw new Problem('invalid_request', `There is no file ${file}.`)
      const verdict = verifyBundle(text, {
        sha256: hexSha256(context),
        verify: (key, signed, signature) =>
          context.crypto.verify(key, new TextEncoder().encode(signed), Buffer.from(signature, 'hex')),
        networkKey: options.networkKey,
      })
      context.stdout.write(
        options.json
          ? `${verdictJson(verdict)}\n`
          : isForeign(text, verdict)
            ? `${printable(foreignFileText({ path: file, expected: 'bundle of evidence', command: 'shoal sla bundle' }))}\n`
            : verdictText(verdict),
      )
      if (verdict.faults.length > 0) throw new QuietExit(exitCodes.failed)
    })

const hexSha256 =
  ({ crypto }: Pick<CliContext, 'crypto'>) =>
  (text: string): string =>
    Buffer.from(crypto.sha256(text)).toString('hex')

function verdictJson({ faults, facts, seal, recomputed }: BundleVerdict): string {
  const told = recomputed && {
    uptimePpb: recomputed.uptimePpb,
    valid: recomputed.count?.valid ?? 0,
    errors: recomputed.count?.errors ?? 0,
    charges: (recomputed.count?.charges ?? 0n).toString(),
    creditBps: recomputed.creditBps,
    credit: recomputed.credit.toString(),
    posted: recomputed.posted.toString(),
  }
  const posted = seal?.statement?.posted.toString() ?? null
  const isWhole = faults.length === 0
  return JSON.stringify(
    { isWhole, facts, networkKey: seal?.networkKey ?? null, recomputed: told, posted, faults },
    null,
    2,
  )
}

/** Every line of the file is unreadable; of an empty one the end is missing. */
function isForeign(text: string, { faults }: BundleVerdict): boolean {
  const unreadable = faults.filter(({ kind }) => kind === 'unreadable').length
  return unreadable > 0 && unreadable === text.replace(/\n$/, '').split('\n').length
}

function unpostedText({ month, sealedAtMs }: BundleSeal): string {
  if (sealedAtMs < spanOfMonth(month).toMs + MONTH_GRACE_MS)
    return 'Nothing is posted yet: the month is not closed.'
  return `The network keeps no statement of this month, which is over: nothing of the class was counted in it, or it is older than the last ${STATEMENTS_KEPT_MONTHS} months with statements.`
}

function verdictText({ faults, facts, seal, recomputed }: BundleVerdict): string {
  const lines = faultLines(
    faults.map(
      ({ line, message }) =>
        `${line === 0 ? 'At the end' : `Line ${line}`}: ${message.slice(0, 1).toLowerCase()}${message.slice(1)}`,
    ),
  )
  if (seal && recomputed) {
    const { count } = recomputed
    const counted = `${formatCount(count?.valid ?? 0)} counted, ${formatCount(count?.errors ?? 0)} failed`
    const uptime = `${(recomputed.uptimePpb / 10_000_000).toFixed(5)} %`
    const share = `${recomputed.creditBps / 100} % of ${formatMoney(count?.charges ?? 0n)}`
    lines.push(
      `${seal.organisationId}, ${seal.slaClass}, ${seal.month}: ${counted}, uptime ${uptime}`,
      `Credit computed: ${formatMoney(recomputed.credit)} (${share}); with jobs ${formatMoney(recomputed.posted)}.`,
      seal.statement
        ? `Posted: ${formatMoney(seal.statement.posted)}${seal.statement.transferId ? ` as ${seal.statement.transferId}` : ''}.`
        : unpostedText(seal),
      `Signed by the network ${seal.networkKey}.`,
    )
  }
  lines.push(
    faults.length === 0
      ? `Whole: ${formatNoun(facts, 'fact')}, each in its place, and the credit is as computed.`
      : `Not to be trusted: ${formatNoun(faults.length, 'fault')} in ${formatNoun(facts, 'fact')}.`,
  )
  return lines.map((line) => `${printable(line)}\n`).join('')
}
