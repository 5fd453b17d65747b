import { Command, Option } from 'commander'
import { BatchList, BatchObject, BatchRequest } from '#protocol/batch-api.ts'
import { Problem } from '#protocol/problem.ts'
import { wholeNumber } from './arguments.ts'
import { type BatchClient, createBatchClient } from './batch-client.ts'
import { isBatchOver, watchBatch } from './batch-watch.ts'
import type { CliContext } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { formatAge, formatCount, formatMoney, formatTime } from './format.ts'
import { groupCommand } from './group.ts'
import { patiently } from './jobs/patience.ts'
import { QuietExit } from './quiet-exit.ts'
import { withList } from './repeat.ts'
import { runSession, type Session, show, showFields, showTable } from './session.ts'
import type { Column } from './table.ts'

/** `shoal batch`: many requests at once, done within a day for half the price. */
export const batchCommand = (context: CliContext): Command =>
  groupCommand(
    { name: 'batch', description: 'have a file of requests done within a day, for half the price' },
    listCommand(context),
    [submitCommand(context), showCommand(context), cancelCommand(context), fetchCommand(context)],
  )

const BATCH_ARGUMENT = 'its id, from `shoal batch`'

interface ListOptions {
  readonly limit: number
  readonly after?: string
}

const listCommand = (context: CliContext): Command =>
  new Command('list')
    .description('list batches, newest first')
    .option('--limit <count>', 'how many at most', wholeNumber(1, 100), 20)
    .option('--after <id>', 'go on after this one')
    .action((_word: undefined, { limit, after }: ListOptions, command: Command) =>
      runSession(context, command, async (session) => {
        const list = await createBatchClient(session).list({ limit, after })
        show(session, BatchList, list, () => {
          const empty = 'No batches. Submit one with `shoal batch submit FILE.jsonl`.'
          const table = showTable(session, columnsAt(context.clock.nowMs()), list.data, empty)
          const more = list.has_more ? `There is more: add --after ${list.last_id}` : ''
          return more === '' ? table : `${table}\n${session.style('dim', more)}`
        })
      }),
    )

interface SubmitOptions {
  readonly endpoint?: string
  readonly watch?: true
}

const submitCommand = (context: CliContext): Command =>
  new Command('submit')
    .description('upload a file of requests and order them')
    .argument('<file>', 'JSON lines, each with custom_id, method, url and body')
    .addOption(
      new Option('--endpoint <path>', 'what its requests ask (default: the url of the first)').choices(
        BatchRequest.shape.endpoint.options,
      ),
    )
    .option('-w, --watch', 'wait until it is over and show how far it is')
    .action((path: string, options: SubmitOptions, command: Command) =>
      runSession(context, command, async (session) => {
        const text = await context.readFile(path)
        if (text === null) throw new Problem('invalid_request', `There is no file ${path}.`)
        const client = createBatchClient(session)
        const endpoint = options.endpoint ?? endpointOf(text, path)
        const { id: fileId } = await client.upload(path.split(/[\\/]/).at(-1) ?? 'input.jsonl', text)
        const batch = await order(session, client, { fileId, endpoint })
        await showOrWatch(session, batch, options)
      }),
    )

/** Should the answer be lost, the same call is made again: under one key it makes one batch. */
async function order(
  session: Session,
  client: BatchClient,
  wanted: { readonly fileId: string; readonly endpoint: string },
): Promise<BatchObject> {
  const key = session.context.newId('batch')
  try {
    return await patiently(session, () => client.create({ ...wanted, key }))
  } catch (error) {
    throw withList(error, { what: 'batch', command: 'shoal batch list' })
  }
}

function endpointOf(text: string, path: string): string {
  const [first = ''] = text.split('\n', 1)
  try {
    const { url } = JSON.parse(first.replace(/^\ufeff/, '')) as { url?: unknown }
    if (typeof url === 'string') return url
  } catch {
    // Said below in the words of this command.
  }
  throw new Problem('invalid_request', `The first line of ${path} is no request with a url. Give --endpoint.`)
}

const showCommand = (context: CliContext): Command =>
  new Command('show')
    .description('show one batch and how far it is')
    .argument('<batch-id>', BATCH_ARGUMENT)
    .option('-w, --watch', 'wait until it is over')
    .action((batchId: string, options: { watch?: true }, command: Command) =>
      runSession(context, command, async (session) =>
        showOrWatch(session, await createBatchClient(session).get(batchId), options),
      ),
    )

const cancelCommand = (context: CliContext): Command =>
  new Command('cancel')
    .description('begin nothing more of a batch; what is done of it is delivered')
    .argument('<batch-id>', BATCH_ARGUMENT)
    .option('-w, --watch', 'wait until it is over')
    .action((batchId: string, options: { watch?: true }, command: Command) =>
      runSession(context, command, async (session) =>
        showOrWatch(session, await createBatchClient(session).cancel(batchId), options),
      ),
    )

interface FetchOptions {
  readonly out?: string
  readonly errors?: string
}

const fetchCommand = (context: CliContext): Command =>
  new Command('fetch')
    .description('get the results of a batch that is over')
    .argument('<batch-id>', BATCH_ARGUMENT)
    .option('-o, --out <file>', 'write the results there (default: print them)')
    .option('-e, --errors <file>', 'write what went wrong there')
    .action((batchId: string, options: FetchOptions, command: Command) =>
      runSession(context, command, async (session) => {
        const client = createBatchClient(session)
        const batch = await client.get(batchId)
        if (!isBatchOver(batch)) {
          throw new Problem('unavailable', `${batchId} is ${batch.status}: its results come when it is over.`)
        }
        const { output_file_id: output, error_file_id: errors } = batch
        const results = output === null ? new Uint8Array() : await client.content(output)
        if (options.out === undefined) context.stdout.write(new TextDecoder().decode(results))
        else await context.writeFile(options.out, results)
        const wrong = errors !== null && options.errors !== undefined ? await client.content(errors) : null
        if (wrong !== null && options.errors !== undefined) await context.writeFile(options.errors, wrong)
        const note =
          errors !== null && options.errors === undefined ? '; what went wrong: add --errors FILE' : ''
        const { completed, total } = batch.request_counts
        context.stderr.write(
          `${formatCount(completed)} of ${formatCount(total)} requests have results${note}\n`,
        )
      }),
    )

async function showOrWatch(session: Session, batch: BatchObject, { watch }: { watch?: true }): Promise<void> {
  const last = watch ? await watchBatch(session, createBatchClient(session), batch) : batch
  show(session, BatchObject, last, () => showFields(session, fieldsOf(last)))
  if (watch && last.status !== 'completed') throw new QuietExit(exitCodes.failed)
}

function fieldsOf(batch: BatchObject): [string, string][] {
  const { request_counts: counts, usage, x_shoal: shoal, errors } = batch
  const time = (seconds: number | null): string =>
    seconds === null ? '–' : `${formatTime(seconds * 1_000)} UTC`
  const ended = batch.completed_at ?? batch.failed_at ?? batch.expired_at ?? batch.cancelled_at
  return [
    ['id', batch.id],
    ['status', batch.status],
    ...(shoal.waiting_for === null ? [] : [['waits for', shoal.waiting_for] as [string, string]]),
    ['endpoint', batch.endpoint],
    ['model', batch.model ?? '–'],
    ['requests', countsText(counts)],
    ['tokens', `${formatCount(usage.input_tokens)} in, ${formatCount(usage.output_tokens)} out`],
    ['cost', formatMoney(BigInt(shoal.cost_nano_usd))],
    ['created', time(batch.created_at)],
    ['expires', time(batch.expires_at)],
    ['ended', time(ended)],
    ['input file', batch.input_file_id],
    ['output file', batch.output_file_id ?? '–'],
    ['error file', batch.error_file_id ?? '–'],
    ...(errors?.data ?? []).map(({ line, message }): [string, string] => [
      line === null ? 'error' : `line ${line}`,
      message,
    ]),
  ]
}

const countsText = ({ total, completed, failed }: BatchObject['request_counts']): string =>
  `${formatCount(completed)} of ${formatCount(total)} done, ${formatCount(failed)} failed`

const columnsAt = (nowMs: number): Column<BatchObject>[] => [
  { title: 'ID', text: ({ id }) => id },
  {
    title: 'STATUS',
    text: ({ status }) => status,
    tone: ({ status }) => (status === 'failed' || status === 'expired' ? 'bad' : 'plain'),
  },
  { title: 'MODEL', text: ({ model }) => model ?? '–' },
  {
    title: 'DONE',
    isRight: true,
    text: ({ request_counts: { completed, total } }) => `${formatCount(completed)}/${formatCount(total)}`,
  },
  { title: 'FAILED', isRight: true, text: ({ request_counts: { failed } }) => formatCount(failed) },
  { title: 'COST', isRight: true, text: ({ x_shoal: shoal }) => formatMoney(BigInt(shoal.cost_nano_usd)) },
  { title: 'CREATED', text: ({ created_at }) => formatAge(created_at * 1_000, nowMs) },
]
