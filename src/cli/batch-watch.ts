/** How far a batch is, while it goes on. */
import { SECOND_MS } from '#kernel/time.ts'
import type { BatchObject } from '#protocol/batch-api.ts'
import { Problem } from '#protocol/problem.ts'
import type { BatchClient } from './batch-client.ts'
import { formatCount, formatMoney } from './format.ts'
import type { Session } from './session.ts'
import { printable } from './table.ts'

const EVERY_MS = 2 * SECOND_MS

export const isBatchOver = ({ status }: BatchObject): boolean =>
  ['completed', 'failed', 'expired', 'cancelled'].includes(status)

/** Asks again until the batch is over. Ctrl-C ends the watching, and not the batch. */
export async function watchBatch(
  session: Session,
  client: BatchClient,
  first: BatchObject,
): Promise<BatchObject> {
  const { context, signal, style } = session
  const { stderr } = context
  let told = ''
  const tell = (batch: BatchObject): void => {
    const text = progressOf(batch)
    if (text === told || session.isJson) return
    // One line that changes on a terminal, and a line for each change elsewhere.
    stderr.write(stderr.isTty ? `\r${style('dim', text.padEnd(told.length))}` : `${text}\n`)
    told = text
  }
  try {
    let batch = first
    for (tell(batch); !isBatchOver(batch); tell(batch)) {
      await context.sleep(EVERY_MS, signal)
      batch = await client.get(batch.id)
    }
    return batch
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'cancelled') throw error
    const hint = `${first.id} goes on without you: see \`shoal batch show ${first.id}\`.`
    throw new Problem('cancelled', hint, { cause: error })
  } finally {
    if (stderr.isTty && told !== '') stderr.write('\n')
  }
}

function progressOf({ status, request_counts: counts, x_shoal: shoal }: BatchObject): string {
  const done = `${formatCount(counts.completed)} of ${formatCount(counts.total)} done`
  const failed = counts.failed > 0 ? `, ${formatCount(counts.failed)} failed` : ''
  const waiting = shoal.waiting_for === null ? '' : ` · waits for ${printable(shoal.waiting_for)}`
  return `${status}: ${done}${failed} · ${formatMoney(BigInt(shoal.cost_nano_usd))}${waiting}`
}
