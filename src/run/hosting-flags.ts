/** The options of `up` and `provide` that say which models the network may place on the node, and what it gives them. */
import { InvalidArgumentError, Option } from 'commander'
import { HUB_DEFAULT } from '#engines/hosted-source.ts'
import { ModelName } from '#protocol/model-catalogue.ts'
import type { AgentConfig } from './agent-config.ts'
import type { EngineFlags } from './engine-flags.ts'
import type { HostingConfig } from './hosting-config.ts'

export interface HostingFlags {
  readonly models?: readonly string[] | 'auto'
  readonly modelsMemory?: number
  readonly modelsCache?: number
  readonly modelHosts?: readonly string[]
  readonly modelUpstreams?: readonly string[]
  readonly modelHub?: string
}

export const hostingOptions = (): Option[] => [
  new Option(
    '--models <auto|names>',
    'serve what the network places here: auto for any model of its catalogue, or the names of those let in; then --model is served only if given',
  ).argParser(parseModels),
  new Option(
    '--models-memory <size>',
    'memory for these models, such as 20GB (default: 90 % of the GPUs’, or half of the machine’s)',
  ).argParser(parseMib),
  new Option(
    '--models-cache <size>',
    'disk for their files; the longest unused go first (default: half of what is free)',
  ).argParser(parseMib),
  new Option(
    '--model-hosts <hosts>',
    'fetch their files also from these hosts of the local network, such as 10.0.0.5:8080,nas.lan',
  ).argParser(parseHosts),
  new Option(
    '--model-upstreams <hosts>',
    'pass requests on to OpenAI-compatible servers at these hosts, with --upstream-key as the key',
  ).argParser(parseHosts),
  new Option(
    '--model-hub <url>',
    `the hub that models of the form owner/repository come from (default: HF_ENDPOINT, or ${HUB_DEFAULT})`,
  ).argParser(parseHub),
]

/** Null without `--models`: the owner alone says what is served. */
export function hostingOf(
  flags: HostingFlags & EngineFlags,
  env: Readonly<Record<string, string | undefined>>,
): HostingConfig | null {
  if (flags.models === undefined) return null
  const endpoint = env['HF_ENDPOINT']
  const hubUrl = flags.modelHub ?? (endpoint && URL.canParse(endpoint) ? endpoint : HUB_DEFAULT)
  return {
    accepts: flags.models === 'auto' ? null : [...flags.models],
    memoryMib: flags.modelsMemory ?? null,
    cacheMib: flags.modelsCache ?? null,
    fileHosts: [...(flags.modelHosts ?? [])],
    upstreamHosts: [...(flags.modelUpstreams ?? [])],
    upstreamKey: flags.upstreamKey ?? null,
    hubUrl,
    gpu: flags.cpu === true || flags.gpu === 'none' ? false : flags.gpu,
    enginesFolder: null,
    threads: flags.threads ?? null,
  }
}

/** What the node serves of its own: nothing, where it only takes models from the network. */
export const ownEngine = (
  engine: AgentConfig['engine'],
  { models, upstream, modelGiven }: HostingFlags & EngineFlags & { readonly modelGiven: boolean },
): AgentConfig['engine'] =>
  models !== undefined && upstream === undefined && !modelGiven ? { kind: 'none' } : engine

function parseModels(text: string): readonly string[] | 'auto' {
  if (text === 'auto') return 'auto'
  const names = text.split(',').map((name) => name.trim())
  const wrong = names.find((name) => !ModelName.safeParse(name).success)
  if (wrong === undefined) return names
  throw new InvalidArgumentError('Expected auto, or names of models with commas between them.')
}

const units: Readonly<Record<string, number>> = {
  MB: 1e6 / 2 ** 20,
  GB: 1e9 / 2 ** 20,
  TB: 1e12 / 2 ** 20,
  MIB: 1,
  GIB: 1024,
  TIB: 1024 ** 2,
}

/** `20GB`, `512 MiB`: in MiB, rounded down. */
export function parseMib(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]i?b)$/i.exec(text.trim())
  const unit = units[match?.[2]?.toUpperCase() ?? '']
  const mib = unit === undefined ? 0 : Math.floor(Number(match?.[1]) * unit)
  if (mib >= 1 && mib < 2 ** 40) return mib
  throw new InvalidArgumentError('Expected a size with its unit, such as 20GB, 512MiB or 1.5TB.')
}

function parseHosts(text: string): readonly string[] {
  const hosts = text.split(',').map((host) => host.trim().toLowerCase())
  const wrong = hosts.find(
    (host) => !URL.canParse(`http://${host}`) || new URL(`http://${host}`).pathname !== '/',
  )
  if (wrong === undefined) return hosts
  throw new InvalidArgumentError('Expected hosts with commas between them, such as 10.0.0.5:8080,nas.lan.')
}

function parseHub(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text
  throw new InvalidArgumentError('Expected an address such as https://huggingface.co.')
}
