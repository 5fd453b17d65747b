/** The options of `up` and `provide` that say what the node serves. */
import { join, resolve } from 'node:path'
import { InvalidArgumentError, Option } from 'commander'
import { batchLimits } from '#batch/batch-limits.ts'
import { usd } from '#cli/arguments.ts'
import { defaultModelId, parseModelSource } from '#engines/model-source.ts'
import type { BackstopPrice } from '#protocol/capability.ts'
import { Region } from '#protocol/node-class.ts'
import { Problem } from '#protocol/problem.ts'
import type { AgentConfig } from './agent-config.ts'

export interface EngineFlags {
  readonly model: string
  readonly modelId?: string
  readonly gpu: 'auto' | 'cuda' | 'vulkan' | 'none'
  readonly cpu?: boolean
  readonly engineInstall: boolean
  readonly threads?: number
  readonly slots?: number
  readonly upstream?: string
  readonly upstreamKey?: string
  readonly upstreamKeepsNothing?: boolean
  readonly backstopPrice?: BackstopPrice
  readonly region?: Region
  readonly batch: boolean
  readonly batchDiscount: number
  readonly cachedDiscount: number
}

const GUIDE = 'models/guide/guide.gguf'
const GUIDE_ID = 'shoal-guide'
/** The node serves no model of its own: it renders, or takes what the network places on it. */
const NO_MODEL = 'none'

export function engineOptions(rootFolder: string): Option[] {
  const guide = join(rootFolder, GUIDE)
  return [
    new Option(
      '--model <gguf>',
      'a GGUF file: its path, hf:owner/repo/file.gguf, or an https address; none: no model of its own',
    ).default(guide, 'the demo model that comes with Shoal'),
    new Option('--model-id <id>', "the name by which callers ask for it (default: the file's)"),
    new Option('--gpu <kind>', 'where to compute: auto takes a GPU if there is one')
      .choices(['auto', 'cuda', 'vulkan', 'none'])
      .default('auto'),
    new Option('--cpu', 'compute on the CPU, GPU or not: the same as --gpu none'),
    new Option(
      '--no-engine-install',
      "never install the engine's build for a GPU: end instead where it is missing",
    ),
    new Option('--threads <count>', 'CPU threads of the engine (default: cores - 1, at most 4)').argParser(
      parseCount,
    ),
    new Option('--slots <count>', 'requests computed at once (default: 16)').argParser(parseCount),
    new Option(
      '--upstream <url>',
      'serve what an OpenAI-compatible server here serves (vLLM, Ollama, …), up to its /v1',
    ).argParser(parseUpstream),
    new Option('--upstream-key <key>', 'the API key of that server'),
    new Option(
      '--upstream-keeps-nothing',
      'state that it keeps no prompts: callers may ask for such nodes alone',
    ),
    new Option(
      '--backstop-price <usd>',
      'with --upstream: serve only what no other node can, at this price per million tokens of prompt and answer, such as 0.15,0.60; a third is for cached prompt tokens',
    ).argParser(parseBackstop),
    new Option(
      '--batch-discount <percent>',
      'what is taken off the ask for work of batches, which comes while there is nothing else',
    )
      .argParser(parsePercent)
      .default(batchLimits.discountBpsMin / 100),
    new Option('--no-batch', 'take no work of batches'),
    new Option(
      '--cached-discount <percent>',
      'what is taken off the ask for prompt tokens that the engine had read before',
    )
      .argParser(parsePercent)
      .default(0),
    new Option('--region <region>', 'where this machine stands, for callers who ask: de, us-east').argParser(
      parseRegion,
    ),
  ]
}

/** In hundredths of a percent; null where no work of batches is taken. */
export const batchDiscountOf = ({ batch, batchDiscount }: EngineFlags): number | null =>
  batch ? Math.round(batchDiscount * 100) : null

function parsePercent(text: string): number {
  const percent = Number(text)
  if (text.trim() === '' || !(percent >= 0 && percent <= 100))
    throw new InvalidArgumentError('Expected a number from 0 to 100.')
  return percent
}

function parseCount(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1 || count > 4_096)
    throw new InvalidArgumentError('Expected a number from 1 to 4096.')
  return count
}

function parseBackstop(text: string): BackstopPrice {
  const [prompt, completion, cached, ...more] = text.split(',')
  if (prompt === undefined || completion === undefined || more.length > 0)
    throw new InvalidArgumentError('Expected two prices in US dollars, of prompt and answer: 0.15,0.60.')
  const price = { promptPerMillion: usd(prompt), completionPerMillion: usd(completion) }
  if (cached === undefined) return price
  const cachedPerMillion = usd(cached)
  if (cachedPerMillion > price.promptPerMillion)
    throw new InvalidArgumentError('Cached prompt tokens may cost no more than others.')
  return { ...price, cachedPerMillion }
}

function parseRegion(text: string): Region {
  const parsed = Region.safeParse(text)
  if (parsed.success) return parsed.data
  throw new InvalidArgumentError('Expected a country in two letters, and maybe a part of it: de, us-east.')
}

function parseUpstream(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text
  throw new InvalidArgumentError('Expected an address such as http://127.0.0.1:8000/v1.')
}

export function engineOf(flags: EngineFlags): AgentConfig['engine'] {
  if (flags.backstopPrice !== undefined && flags.upstream === undefined) {
    throw new Problem(
      'config_invalid',
      '--backstop-price is for a server of last resort, which --upstream URL names. A node with an engine of its own asks by the hour.',
    )
  }
  const slots = flags.slots ?? null
  if (flags.upstream !== undefined) {
    const keepsNoPrompts = flags.upstreamKeepsNothing === true
    return {
      kind: 'openai',
      baseUrl: flags.upstream,
      apiKey: flags.upstreamKey ?? null,
      keepsNoPrompts,
      backstop: flags.backstopPrice ?? null,
      slots,
    }
  }
  if (flags.model === NO_MODEL) return { kind: 'none' }
  const source = parseModelSource(flags.model)
  const isGuide = source.kind === 'file' && flags.model.endsWith(GUIDE)
  return {
    kind: 'llama-cpp',
    model: source.kind === 'file' ? resolve(source.path) : flags.model,
    modelId: flags.modelId ?? (isGuide ? GUIDE_ID : defaultModelId(source)),
    gpu: flags.cpu === true || flags.gpu === 'none' ? false : flags.gpu,
    enginesFolder: null,
    threads: flags.threads ?? null,
    slots,
  }
}
