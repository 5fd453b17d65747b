import type { Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import type { EconomicsService } from '../economics-service.ts'
import type { Said } from '../economics-work.ts'

type Names = 'listGpus' | 'listPlaces' | 'assessGpu' | 'compareNetworks'

export function economicsHandlers(economics: EconomicsService): Pick<Handlers<ControlRoutes>, Names> {
  return {
    listGpus: () => economics.listGpus(),
    listPlaces: () => economics.listPlaces(),
    assessGpu: ({ query }) => economics.assess(saidIn(query)),
    compareNetworks: ({ query }) => economics.compare(saidIn(query)),
  }
}

const saidIn = (query: Readonly<Record<string, string | undefined>>): Said =>
  Object.fromEntries(
    Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
