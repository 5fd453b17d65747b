import { createInspection, type FullInspection, type InspectionParts } from '#coordinator/work/inspection.ts'
import type { WorkServiceParts } from '#coordinator/work/serve-work.ts'
import { assert } from '#kernel/assert.ts'

export interface OpenedInspection {
  readonly inspect: NonNullable<WorkServiceParts['inspect']>
  /** Of the coordinator that `inspect` was called for. */
  inspection(): FullInspection
}

/** Results of jobs are looked at by a coordinator that leads, from then on. */
export function openInspection(
  host: Pick<InspectionParts, 'bus' | 'clock' | 'log' | 'secrets' | 'isReferenceCalled'>,
): OpenedInspection {
  let opened: FullInspection | null = null
  return {
    inspect(coordinator, desk) {
      opened = createInspection({ ...host, coordinator, desk })
      return opened
    },
    inspection() {
      assert(opened, 'the coordinator leads before anybody asks it')
      return opened
    },
  }
}
