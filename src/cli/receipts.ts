import { Command } from 'commander'
import { hexOf } from '#protocol/field.ts'
import { fingerprintOf } from '#protocol/network-key.ts'
import { Problem } from '#protocol/problem.ts'
import type { VerifyParts } from '#receipts/check-chain.ts'
import { formatReceiptLine, readReceiptLine } from '#receipts/receipt-lines.ts'
import { type ReceiptFileFacts, verifyReceipts } from '#receipts/verify-receipts.ts'
import type { CliContext } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { faultLines, foreignFileText } from './fault-lines.ts'
import { formatNoun } from './format.ts'
import { refuseWord } from './group.ts'
import { QuietExit } from './quiet-exit.ts'
import { runSession, type Session } from './session.ts'
import { printable } from './table.ts'

/** `shoal receipts`: what nodes and the network signed. */
export const receiptsCommand = (context: CliContext): Command => {
  const command: Command = new Command('receipts')
    .description('what nodes and the network signed for: export it, to keep and to verify')
    .usage('[options] [command]')
    .argument('[word]', undefined, (word: string) => refuseWord(command, word))
    // There is no list of receipts: what there is says the help.
    .action(() => command.outputHelp())
    .addCommand(exportCommand(context))
  return command
}

interface ExportOptions {
  readonly node?: string
  readonly organisation?: string
  readonly out?: string
}

const exportCommand = (context: CliContext): Command =>
  new Command('export')
    .description('write receipts, a line of JSON each: of the work for your organisation, or of your node')
    .option('--node <id>', 'of this node of yours, all of its chains')
    .option('--organisation <id>', "of another organisation's work than the key's own (operators only)")
    .option('--out <file>', 'where to (default: standard output)')
    .action((options: ExportOptions, command: Command) =>
      runSession(context, command, async (session) => {
        if (options.node !== undefined && options.organisation !== undefined)
          throw new Problem('invalid_request', 'Give --node or --organisation, not both.')
        const { text, receipts } = await exported(session, options)
        if (options.out === undefined) return context.stdout.write(text)
        await context.writeFile(options.out, text)
        context.stderr.write(`Wrote ${formatNoun(receipts, 'receipt')} to ${printable(options.out)}.\n`)
      }),
    )

async function exported(
  { operator: client }: Pick<Session, 'operator'>,
  { node, organisation }: ExportOptions,
): Promise<{ text: string; receipts: number }> {
  const organisationId = organisation ?? (await client.getOwnKey()).organisationId
  const whose = node === undefined ? { organisationId } : { nodeId: node }
  const listed = await (node === undefined
    ? client.getOrganisationReceipts({ params: { organisationId } })
    : client.getNodeReceipts({ params: { nodeId: node } }))
  const { network, of, id, madeAtMs, chains, signature } = listed
  const lines = [formatReceiptLine({ type: 'receipts', version: 1, network, of, id })]
  for (const { chain, facts, after, to } of chains) {
    lines.push(formatReceiptLine({ type: 'chain', chain, facts, after: { chain, ...after } }))
    for (let next: number | null = after.number; next !== null; ) {
      const page = await client.readReceipts({ query: { ...whose, chain, after: next, to } })
      lines.push(...page.lines)
      next = page.next
    }
  }
  lines.push(formatReceiptLine({ type: 'end', madeAtMs, chains, signature }))
  const receipts = chains.reduce((sum, chain) => sum + chain.receipts, 0)
  return { text: lines.map((line) => `${line}\n`).join(''), receipts }
}

interface VerifyOptions {
  readonly network?: string
  readonly json?: boolean
}

/** `shoal verify`: checks receipts without the network. */
export const verifyCommand = (context: CliContext): Command =>
  new Command('verify')
    .description(
      'check exported receipts without the network: nothing forged, changed, left out, moved or said twice',
    )
    .argument('<file>', 'what `shoal receipts export` wrote')
    .option('--network <key>', "the network's key, or its fingerprint as join tokens have it")
    .action(async (file: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<VerifyOptions>()
      const text = await context.readFile(file)
      if (text === null) throw new Problem('invalid_request', `There is no file ${file}.`)
      const found = verifyReceipts(text, partsOf(context, text, options.network))
      context.stdout.write(
        options.json ? jsonOf(found) : isForeign(text, found) ? foreignTo(file) : textOf(found, context),
      )
      if (found.faults.length > 0) throw new QuietExit(exitCodes.failed)
    })

function partsOf({ crypto }: CliContext, text: string, network: string | undefined): VerifyParts {
  const parts: VerifyParts = {
    digest: (data) => Buffer.from(crypto.sha256(data)).toString('base64url'),
    verify: (key, signed, signature) =>
      crypto.verify(key, new TextEncoder().encode(signed), Buffer.from(signature, 'hex')),
  }
  if (network === undefined) return parts
  const [first = ''] = text.split('\n', 1)
  const header = readReceiptLine(first)
  const isKnown = header?.type === 'receipts' && fingerprintOf(crypto, header.network) === network
  if (!hexOf(32).safeParse(network).success && !/^[0-9a-z]{52}$/.test(network)) {
    throw new Problem(
      'invalid_request',
      'Give --network as the key in hex (64 characters) or as its fingerprint (52 letters and digits).',
    )
  }
  return isKnown ? parts : { ...parts, networkKey: network }
}

const jsonOf = (found: ReceiptFileFacts): string =>
  `${JSON.stringify({ isWhole: found.faults.length === 0, ...found }, null, 2)}\n`

const isForeign = (text: string, { network }: ReceiptFileFacts): boolean =>
  network === null && text !== '' && !text.split('\n').some((line) => readReceiptLine(line) !== null)

const foreignTo = (path: string): string =>
  `${printable(foreignFileText({ path, expected: 'file of receipts', command: 'shoal receipts export' }))}\n`

function textOf(found: ReceiptFileFacts, { crypto }: CliContext): string {
  const { faults, network, of, receipts, chains, heads, disputes } = found
  const disputed = Object.entries(disputes)
  const lines = [
    ...faultLines(faults.map(({ code, message }) => `${printable(message)} [${code}]`)),
    ...(network === null
      ? []
      : [
          `Of ${printable(of ?? '')}, by the network ${network}, fingerprint ${fingerprintOf(crypto, network)}.`,
        ]),
    ...disputed.map(([why, count]) => `Disputed by their node, ${why}: ${formatNoun(count, 'receipt')}.`),
    faults.length === 0
      ? `Whole: ${formatNoun(receipts, 'receipt')} in ${formatNoun(chains, 'chain')}, ${formatNoun(heads, 'head')} signed by both sides.`
      : `Not whole: ${formatNoun(faults.length, 'fault')}.`,
  ]
  return lines.map((line) => `${line}\n`).join('')
}
