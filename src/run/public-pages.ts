/** What the network answers to everybody, without a key: economics, and the web pages. */
import { createEconomicsService, type EconomicsService } from '#coordinator/economics-service.ts'
import type { Clock } from '#host/host.ts'
import { readDataFiles } from '#host/node/data-files.ts'
import { readWebFiles } from '#host/node/web-files.ts'
import { callInWorker } from '#host/node/worker-call.ts'
import type { WebFile } from '#host/web-file.ts'

const FORECAST_TIMEOUT_MS = 20_000

export interface PublicPages {
  readonly economics: EconomicsService
  readonly webFiles: readonly WebFile[] | null
}

export const openPublicPages = (clock: Pick<Clock, 'nowMs'>): PublicPages => ({
  economics: createEconomicsService({
    clock,
    dataFiles: () => readDataFiles(),
    compute: (call) => callInWorker(call, FORECAST_TIMEOUT_MS),
  }),
  webFiles: readWebFiles(),
})
