/** The catalogue of models: what the network is to serve, and how that stands. */
import { z } from 'zod'
import { AddModel, CatalogueModel, CatalogueModelPage, ChangeModel, ModelName } from './model-catalogue.ts'
import { PageQuery } from './page.ts'
import type { Routes } from './route.ts'

const ModelParams = z.strictObject({ model: ModelName })

export const modelRoutes = {
  listCatalogue: {
    method: 'GET',
    path: '/api/models',
    scope: 'viewer',
    summary: 'Lists the models of the catalogue: price, replicas, nodes, speed and demand.',
    query: PageQuery,
    reply: CatalogueModelPage,
  },
  getCatalogueModel: {
    method: 'GET',
    path: '/api/models/:model',
    scope: 'viewer',
    summary: 'Reads one model of the catalogue.',
    params: ModelParams,
    reply: CatalogueModel,
  },
  addModel: {
    method: 'POST',
    path: '/api/models',
    scope: 'operator',
    summary: 'Adds a model to the catalogue; nodes that take models load it as the demand has it.',
    description:
      'Nothing is fetched by the network itself: each node that gets the model fetches its file, within what its owner allows.',
    body: AddModel,
    example: {
      name: 'llama-3.2-3b',
      source: { kind: 'hub', repository: 'owner/repository', file: 'llama-3.2-3b.Q4_K_M.gguf' },
      price: { input: '20000000', cached: '10000000', output: '40000000' },
      replicasMin: 1,
      replicasMax: 4,
    },
    reply: CatalogueModel,
    status: 201,
  },
  changeModel: {
    method: 'POST',
    path: '/api/models/:model',
    scope: 'operator',
    summary: 'Changes what is given of a model’s price, replicas, class, context and slots.',
    params: ModelParams,
    body: ChangeModel,
    example: { replicasMin: 2 },
    reply: CatalogueModel,
  },
  removeModel: {
    method: 'DELETE',
    path: '/api/models/:model',
    scope: 'operator',
    summary: 'Removes a model from the catalogue; nodes unload it once what runs has ended.',
    params: ModelParams,
    reply: CatalogueModel,
  },
} as const satisfies Routes
