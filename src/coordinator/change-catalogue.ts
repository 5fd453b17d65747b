import type { ModelRefusal } from '#models/decide-models.ts'
import type { ModelSettings } from '#models/model-events.ts'
import {
  type AddModel,
  type CatalogueSource,
  type ChangeModel,
  MODEL_CONTEXT_TOKENS_DEFAULT,
  MODEL_SLOTS_DEFAULT,
} from '#protocol/model-catalogue.ts'
import { Problem } from '#protocol/problem.ts'
import type { Turn } from './turn.ts'

const REPLICAS_MIN_DEFAULT = 1
const REPLICAS_MAX_DEFAULT = 4
const KEY_LENGTH = 40

/** Puts a model into the catalogue; nodes get it within seconds. Throws `conflict` and `invalid_request`. */
export function addModel(turn: Turn, asked: AddModel, sha256: (text: string) => string): void {
  const { name, source, facts } = asked
  checkSource(source, asked)
  const key = sha256(JSON.stringify(identityOf(source))).slice(0, KEY_LENGTH)
  const replicasMin = asked.replicasMin ?? Math.min(REPLICAS_MIN_DEFAULT, asked.replicasMax ?? 1)
  const settings: ModelSettings = {
    price: asked.price ?? null,
    priceMax: asked.priceMax ?? null,
    replicasMin,
    replicasMax: asked.replicasMax ?? Math.max(REPLICAS_MAX_DEFAULT, replicasMin),
    minClass: asked.minClass ?? 'community',
    contextTokens: asked.contextTokens ?? MODEL_CONTEXT_TOKENS_DEFAULT,
    slots: asked.slots ?? MODEL_SLOTS_DEFAULT,
  }
  refuse(
    turn.models({ kind: 'add', model: name, source, key, facts: facts ?? null, settings, nowMs: turn.nowMs }),
    name,
  )
}

/** Changes what is given of a model's settings; loaded replicas take a new context and new slots when they load anew. */
export function changeModel(turn: Turn, name: string, change: ChangeModel): void {
  const model = turn.state.models.catalogue.get(name)
  if (!model) throw unknownModel(name)
  const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined))
  const settings: ModelSettings = { ...model.settings, ...given }
  if (model.source.kind === 'upstream' && settings.price === null) throw upstreamUnpriced()
  refuse(turn.models({ kind: 'change', model: name, settings, nowMs: turn.nowMs }), name)
}

/** Takes a model out of the catalogue: what runs may end, then nodes unload it. */
export function removeModel(turn: Turn, name: string): void {
  refuse(turn.models({ kind: 'remove', model: name, nowMs: turn.nowMs }), name)
}

/** What makes two sources the same file. */
function identityOf(source: CatalogueSource): readonly (string | undefined)[] {
  switch (source.kind) {
    case 'file':
      return ['file', source.path, source.sha256]
    case 'url':
      return ['url', source.url, source.sha256]
    case 'hub':
      return ['hub', source.repository, source.file, source.revision, source.sha256]
    case 'upstream':
      return ['upstream', source.baseUrl, source.model]
  }
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/

function checkSource(source: CatalogueSource, { price }: AddModel): void {
  if (source.kind === 'upstream' && !price) throw upstreamUnpriced()
  const url = source.kind === 'url' ? new URL(source.url) : null
  if (url?.protocol !== 'http:' || LOOPBACK.test(url.hostname)) return
  if (source.kind === 'url' && source.sha256 !== undefined) return
  throw new Problem(
    'invalid_request',
    'The address is plain http, so anybody on the way could change the model. Give its sha256, or an https address.',
    { details: { param: 'source' } },
  )
}

const upstreamUnpriced = (): Problem =>
  new Problem(
    'invalid_request',
    'A model that another server computes has no ask of a node: give its price, input and output.',
    { details: { param: 'price' } },
  )

const unknownModel = (name: string): Problem =>
  new Problem('not_found', `There is no model ${name} in the catalogue. "shoal models" lists what there is.`)

function refuse(refusal: ModelRefusal | null, name: string): void {
  switch (refusal) {
    case null:
      return
    case 'model_unknown':
      throw unknownModel(name)
    case 'model_exists':
      throw new Problem(
        'conflict',
        `There is a model ${name} already. Change it with "shoal models set", or remove it first.`,
      )
    case 'catalogue_full':
      throw new Problem('conflict', 'The catalogue is full. Remove a model that is not needed any more.')
    case 'replicas_wrong':
      throw new Problem(
        'invalid_request',
        'The most replicas must be at least one, and not fewer than the least.',
        { details: { param: 'replicasMax' } },
      )
    default:
      throw new Problem('conflict', `The catalogue refused it: ${refusal.replaceAll('_', ' ')}.`)
  }
}
