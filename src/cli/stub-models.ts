/** The catalogue of models in the network in memory, for the tests of the commands. */
import type { CatalogueModel } from '#protocol/model-catalogue.ts'
import { Problem } from '#protocol/problem.ts'
import type { Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'

type Names = 'listCatalogue' | 'getCatalogueModel' | 'addModel' | 'changeModel' | 'removeModel'

const guide: CatalogueModel = {
  name: 'guide',
  source: { kind: 'url', url: 'https://models.example/guide.gguf' },
  price: { input: 20_000_000n, cached: 10_000_000n, output: 40_000_000n },
  priceMax: null,
  replicas: { min: 1, max: 4, wanted: 2, ready: 1, loading: 1 },
  minClass: 'community',
  contextTokens: 8_192,
  slots: 4,
  facts: { sizeBytes: 2_000_000_000, kvBytesPerToken: 65_536, contextTokens: 32_768 },
  needMib: 4_116,
  nodes: [
    {
      nodeId: 'nod_1',
      name: 'workbench',
      stage: 'ready',
      etaMs: 0,
      problem: null,
      tokensPerSecond: 812,
      isPlaced: true,
    },
    {
      nodeId: null,
      name: null,
      stage: 'downloading',
      etaMs: 95_000,
      problem: null,
      tokensPerSecond: null,
      isPlaced: true,
    },
  ],
  demand: { requestsPerMinute: 41.5, running: 5, queued: 2, level: 4.2 },
  shortage: null,
  addedAtMs: 0,
}

export function stubModelHandlers(): Pick<Handlers<ControlRoutes>, Names> {
  const models = new Map([[guide.name, guide]])
  const found = (name: string): CatalogueModel => {
    const model = models.get(name)
    if (!model) throw new Problem('not_found', `There is no model ${name}, or it is not this key's to see.`)
    return model
  }
  return {
    listCatalogue: () => ({ items: [...models.values()], next: null }),
    getCatalogueModel: ({ params }) => found(params.model),
    addModel({ body }) {
      const { name, source, price = null, minClass = 'community', replicasMin = 1, replicasMax = 4 } = body
      if (models.has(name)) throw new Problem('conflict', `There is a model ${name} already.`)
      const replicas = { min: replicasMin, max: replicasMax, wanted: replicasMin, ready: 0, loading: 0 }
      const demand = { requestsPerMinute: 0, running: 0, queued: 0, level: 0 }
      const shortage = 'The network has no node.'
      const fresh = { facts: null, needMib: null, nodes: [], demand, shortage, addedAtMs: 0 }
      const model = { ...guide, name, source, price, minClass, replicas, ...fresh }
      models.set(name, model)
      return model
    },
    changeModel({ params, body }) {
      const before = found(params.model)
      const { min, max } = before.replicas
      const replicas = { ...before.replicas, min: body.replicasMin ?? min, max: body.replicasMax ?? max }
      const model = { ...before, price: body.price ?? before.price, replicas }
      models.set(model.name, model)
      return model
    },
    removeModel({ params }) {
      const model = found(params.model)
      models.delete(model.name)
      return model
    },
  }
}
