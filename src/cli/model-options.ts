import { resolve } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type NanoUsd, parseUsd } from '#kernel/money.ts'
import {
  type CataloguePrice,
  CatalogueSource,
  type ChangeModel,
  MODEL_REPLICAS_MAX,
} from '#protocol/model-catalogue.ts'
import { NodeClass } from '#protocol/node-class.ts'
import { Problem } from '#protocol/problem.ts'
import { wholeNumber } from './arguments.ts'
import type { CliContext } from './context.ts'

export interface SetOptions {
  readonly priceIn?: NanoUsd
  readonly priceCached?: NanoUsd
  readonly priceOut?: NanoUsd
  readonly maxIn?: NanoUsd
  readonly maxOut?: NanoUsd
  readonly replicas?: { readonly min: number; readonly max: number }
  readonly minClass?: NodeClass
  readonly context?: number
  readonly slots?: number
}
export interface AddOptions extends SetOptions {
  readonly gguf?: string
  readonly hf?: string
  readonly upstream?: string
  readonly upstreamModel?: string
  readonly sha256?: string
}

const CONTEXT_MAX = 1_000_000
const SLOTS_MAX = 256

export const withSource = (command: Command): Command =>
  command
    .option(
      '--gguf <path|url>',
      'a GGUF file: on this machine and at the same path on the nodes, or at an address',
    )
    .option(
      '--hf <owner/repo[:file]>',
      'a GGUF file of a repository on the hub; its only one, or Q4_K_M, unless named',
    )
    .option('--upstream <url>', 'an OpenAI-compatible server, up to its /v1, that nodes pass requests on to')
    .option('--upstream-model <name>', 'what that server calls the model')
    .option('--sha256 <hex>', 'the checksum of the file at the address, which is then the only one taken')

export const withSettings = (command: Command): Command =>
  command
    .option(
      '--price-in <usd>',
      'what a million tokens of input cost; nodes that ask more are not used',
      price,
    )
    .option('--price-cached <usd>', 'what they cost where they were read before (default: as input)', price)
    .option('--price-out <usd>', 'what a million tokens of output cost', price)
    .option('--max-in <usd>', 'nodes may ask up to this for input, whatever the price', price)
    .option('--max-out <usd>', 'nodes may ask up to this for output, whatever the price', price)
    .option(
      '--replicas <count|min-max>',
      'nodes that serve it: 2, or 1-4 by demand; 0-2 unloads it when idle',
      replicas,
    )
    .addOption(
      new Option('--min-class <class>', 'nodes below this class do not serve it').choices(NodeClass.options),
    )
    .option('--context <tokens>', 'the longest request (default: 8192)', wholeNumber(1, CONTEXT_MAX))
    .option(
      '--slots <count>',
      'requests that a node computes at once (default: 4)',
      wholeNumber(1, SLOTS_MAX),
    )

function price(text: string): NanoUsd {
  const amount = parseUsd(text)
  if (amount !== null) return amount
  throw new InvalidArgumentError('Expected an amount in US dollars, such as 0.02.')
}

function replicas(text: string): { min: number; max: number } {
  const [, first, second = first] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(text) ?? []
  const [min, max] = [Number(first), Number(second)]
  if (min >= 0 && max >= 1 && min <= max && max <= MODEL_REPLICAS_MAX) return { min, max }
  throw new InvalidArgumentError('Expected a number of nodes, such as 2, or a range such as 1-4.')
}

export function settingsOf(options: SetOptions): ChangeModel {
  const { replicas: count, minClass, context, slots } = options
  const quoted = priceOf(
    { input: options.priceIn, cached: options.priceCached, output: options.priceOut },
    '--price',
  )
  const bound = priceOf({ input: options.maxIn, cached: options.maxIn, output: options.maxOut }, '--max')
  return {
    ...(quoted && { price: quoted }),
    ...(bound && { priceMax: bound }),
    ...(count && { replicasMin: count.min, replicasMax: count.max }),
    ...(minClass !== undefined && { minClass }),
    ...(context !== undefined && { contextTokens: context }),
    ...(slots !== undefined && { slots }),
  }
}

function priceOf(
  { input, cached, output }: Record<'input' | 'cached' | 'output', NanoUsd | undefined>,
  name: string,
): CataloguePrice | null {
  if (input === undefined && output === undefined && cached === undefined) return null
  if (input === undefined || output === undefined)
    throw new Problem('invalid_request', `Give ${name}-in and ${name}-out together.`)
  return { input, cached: cached ?? input, output }
}

/** Rejects with a `Problem` for options that name no source or several, and for a file that is not there. */
export async function sourceOf(context: CliContext, options: AddOptions): Promise<CatalogueSource> {
  const { gguf, hf, upstream, upstreamModel, sha256 } = options
  if ([gguf, hf, upstream].filter((given) => given !== undefined).length !== 1)
    throw new Problem('invalid_request', 'Say where the model comes from: --gguf, --hf or --upstream.')
  const checksum = sha256 === undefined ? {} : { sha256: sha256.toLowerCase() }
  const source =
    upstream !== undefined
      ? { kind: 'upstream', baseUrl: upstream, ...(upstreamModel !== undefined && { model: upstreamModel }) }
      : hf !== undefined
        ? { ...hubSource(hf), ...checksum }
        : gguf !== undefined && /^https?:\/\//i.test(gguf)
          ? { kind: 'url', url: gguf, ...checksum }
          : await fileSource(context, gguf ?? '')
  const checked = CatalogueSource.safeParse(source)
  if (checked.success) return checked.data
  const [issue] = checked.error.issues
  throw new Problem(
    'invalid_request',
    `The source is not usable: ${issue?.message ?? 'it has another form'}.`,
  )
}

/** `owner/repository`, `owner/repository:file.gguf`, either with `@revision`. */
function hubSource(text: string): object {
  const [place = '', revision] = text.replace(/^hf:/i, '').split('@', 2)
  const [repository = '', file] = place.split(':', 2)
  return {
    kind: 'hub',
    repository,
    ...(file !== undefined && { file }),
    ...(revision !== undefined && { revision }),
  }
}

async function fileSource({ hashFile, stderr }: CliContext, gguf: string): Promise<object> {
  const path = resolve(gguf)
  if (!hashFile) throw new Problem('not_supported', 'This command line cannot read files. Give an address.')
  stderr.write(`reading ${path} …\n`)
  const { sha256 } = await hashFile(path)
  return { kind: 'file', path, sha256 }
}
