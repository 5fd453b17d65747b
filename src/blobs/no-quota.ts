import { Problem } from '#protocol/problem.ts'
import type { QuotaRefusal } from './holdings.ts'

export const noQuota = ({ usedBytes, neededBytes, quotaBytes }: QuotaRefusal): Problem =>
  new Problem(
    'storage_limited',
    `This needs ${mib(neededBytes)} MiB more, and of the ${mib(quotaBytes)} MiB that the organisation may store ${mib(usedBytes)} MiB are taken. Delete files that no job needs, or ask the operator for more.`,
    { details: { neededBytes, usedBytes, quotaBytes } },
  )

const mib = (bytes: number): string => (bytes / (1 << 20)).toFixed(1)
