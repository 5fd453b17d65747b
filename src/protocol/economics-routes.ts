/** What anybody may ask about money, without a key: the same numbers as `shoal roi`, and as the page at `/roi`. */
import { EconomicsQuery, GpuList, NetworkComparison, PlaceList, RoiReply } from './economics.ts'
import type { Routes } from './route.ts'

export const economicsRoutes = {
  listGpus: {
    method: 'GET',
    path: '/api/economics/gpus',
    scope: 'public',
    summary: 'Lists the GPUs that are known, with prices, sources and dates.',
    reply: GpuList,
  },
  listPlaces: {
    method: 'GET',
    path: '/api/economics/places',
    scope: 'public',
    summary: 'Lists places with their price of electricity.',
    reply: PlaceList,
  },
  assessGpu: {
    method: 'GET',
    path: '/api/economics/roi',
    scope: 'public',
    summary: 'Says what a GPU really earns: the numbers of `shoal roi --json`.',
    description: [
      'Parameters are the options of `shoal roi` without their dashes, and those of a link to the page at `/roi`:',
      '`?gpu=RTX%204090&kwh=0.12&utilisation=50%25`. What is not said is looked up, or assumed and listed with its source;',
      'what neither can fill is named in `unknowns`. What cannot be right is refused, never replaced.',
      '',
      'Two forecasts are computed at once and eight wait; more are answered `queue_full` (429).',
    ].join('\n'),
    query: EconomicsQuery,
    reply: RoiReply,
  },
  compareNetworks: {
    method: 'GET',
    path: '/api/economics/networks',
    scope: 'public',
    summary: 'Compares networks for a GPU: the numbers of `shoal roi compare --json`.',
    description:
      'Every network has a row that says why it is where it is; what is unverified is shown and never ranked.',
    query: EconomicsQuery,
    reply: NetworkComparison,
  },
} as const satisfies Routes
