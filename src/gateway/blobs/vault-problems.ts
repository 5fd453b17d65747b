import type { QuotaRefusal } from '#blobs/holdings.ts'
import type { PackRefusal } from '#blobs/pack.ts'
import { Problem } from '#protocol/problem.ts'

export const noQuota = ({ usedBytes, neededBytes, quotaBytes }: QuotaRefusal): Problem =>
  new Problem(
    'storage_limited',
    `This needs ${mib(neededBytes)} MiB more, and of the ${mib(quotaBytes)} MiB that the organisation may store ${mib(usedBytes)} MiB are taken. Delete files that no job needs, or ask the operator for more.`,
    { details: { neededBytes, usedBytes, quotaBytes } },
  )

const mib = (bytes: number): string => (bytes / (1 << 20)).toFixed(1)

export const badPack = (why: PackRefusal): Problem =>
  new Problem('invalid_request', `What was sent is no pack of chunks: ${why.replaceAll('_', ' ')}.`)

export const wrongChunk = (index: number, count: number): Problem =>
  new Problem(
    'invalid_request',
    `Chunk ${index + 1} of the ${count} that were sent is not what its hash says. Send the pack again.`,
    { details: { chunk: index } },
  )

export const wrongObject = (): Problem =>
  new Problem(
    'invalid_request',
    'The chunks make an object with another hash than it was announced with: the file changed while it was read. Upload it again.',
  )

export const uploadsTooMany = (): Problem =>
  new Problem(
    'rate_limited',
    'The organisation has too many uploads under way. Try again when one of them is done.',
    {
      details: { retryAfterMs: 5_000 },
    },
  )
