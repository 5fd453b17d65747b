/** Puts together what serves the models that the network places on this node. */
import { join } from 'node:path'
import { createModelHost, type ModelHost } from '#agent/hosting/model-host.ts'
import type { Engine, SupervisedEngine } from '#engines/engine.ts'
import { createLlamaCppEngine } from '#engines/llama-cpp/llama-cpp-engine.ts'
import { type ModelSpeed, measureModel } from '#engines/measure.ts'
import { createOpenAiEngine } from '#engines/openai/openai-engine.ts'
import type { Host } from '#host/host.ts'
import { nodeChildren } from '#host/node/node-children.ts'
import { isNamedHost } from '#host/node/public-fetch.ts'
import { undiciUpstreams } from '#host/node/undici-upstream.ts'
import { assert } from '#kernel/assert.ts'
import type { Capability } from '#protocol/capability.ts'
import type { WantedModel } from '#protocol/model-catalogue.ts'
import { Problem } from '#protocol/problem.ts'
import { createHostedFiles } from './hosted-files.ts'
import type { HostingConfig } from './hosting-config.ts'

/** What a part of the machine goes through in a second, until it was measured. */
const GPU_BYTES_PER_SECOND = 300e9
const CPU_BYTES_PER_SECOND = 20e9
const GPU_SHARE = 0.9
const MACHINE_SHARE = 0.5
const DISK_SHARE = 0.5

export function openHosting(
  config: HostingConfig,
  parts: { readonly host: Host; readonly machine: Capability; readonly folder: string },
): ModelHost {
  const { host, machine, folder } = parts
  const { clock, log } = host
  const gpus = config.gpu === false ? [] : machine.gpus.filter(({ healthy }) => healthy)
  const cacheMib = config.cacheMib ?? Math.max(1, Math.floor(machine.diskFreeMib * DISK_SHARE))
  const { hubUrl, fileHosts: hosts } = config
  const files = createHostedFiles(
    { clock },
    { folder: join(folder, 'hosted-models'), cacheMib, hubUrl, hosts },
  )
  return createModelHost(
    {
      clock,
      log,
      files,
      openEngine: (model, path) => openEngine(config, host, { model, path, hasGpu: gpus.length > 0 }),
      warm: (engine, modelId) => warm(engine, modelId, host),
    },
    {
      memoryMib: config.memoryMib ?? memoryOf(machine, gpus),
      cacheMib,
      accepts: config.accepts,
      bytesPerSecond: gpus.length > 0 ? gpus.length * GPU_BYTES_PER_SECOND : CPU_BYTES_PER_SECOND,
    },
  )
}

function memoryOf({ memoryMib }: Capability, gpus: Capability['gpus']): number {
  const vramMib = gpus.reduce((sum, gpu) => sum + gpu.vramMib, 0)
  return Math.floor(vramMib > 0 ? vramMib * GPU_SHARE : memoryMib * MACHINE_SHARE)
}

function openEngine(
  config: HostingConfig,
  { clock, log }: Host,
  { model, path, hasGpu }: { model: WantedModel; path: string | null; hasGpu: boolean },
): SupervisedEngine {
  const { source, slots, contextTokens } = model
  if (source.kind === 'upstream') {
    const baseUrl = new URL(source.baseUrl)
    if (!isNamedHost(baseUrl, config.upstreamHosts)) throw notPassedOn(baseUrl)
    const { upstreamKey } = config
    return createOpenAiEngine(
      {
        baseUrl,
        models: [source.model ?? model.model],
        slots,
        contextTokens,
        ...(upstreamKey === null ? {} : { apiKey: upstreamKey }),
      },
      { upstreams: undiciUpstreams, clock, log },
    )
  }
  assert(path !== null, 'a model of the built-in engine has a file')
  const { enginesFolder, threads } = config
  return createLlamaCppEngine(
    {
      modelPath: path,
      modelId: model.model,
      gpu: config.gpu === 'auto' && !hasGpu ? false : config.gpu,
      slots,
      contextTokensMax: contextTokens,
      ...(enginesFolder === null ? {} : { enginesFolder }),
      ...(threads === null ? {} : { threads }),
    },
    { children: nodeChildren, clock, log },
  )
}

/** Its measurement begins with small real generations: what fails them is not offered. */
const warm = async (engine: Engine, modelId: string, { clock, log }: Host): Promise<ModelSpeed> => {
  const speed = await measureModel(engine, modelId, clock)
  log.info('model.measured', { model: modelId, ...speed })
  return speed
}

const notPassedOn = ({ host }: URL): Problem =>
  new Problem(
    'config_invalid',
    `The owner of this node does not pass requests on to ${host}. Name it with --model-upstreams ${host} if it is meant.`,
  )
