import type { UploadProgress } from '#host/blobs/upload-objects.ts'
import { Problem } from '#protocol/problem.ts'
import type { JobFiles } from '../jobs/job-tools.ts'
import { formatBytes, formatPercent } from '../jobs/job-words.ts'
import type { LiveLines } from '../jobs/live-lines.ts'
import type { Session } from '../session.ts'

export interface SentScene {
  /** Of the tree. */
  readonly inputRoot: string
  readonly bytes: number
}

/** Sends what the network lacks of these files, saying how much that is. What broke off goes on by the same command. */
export async function sendScene(
  { session, files, lines }: { session: Session; files: Pick<JobFiles, 'sendTree'>; lines: LiveLines },
  sends: readonly { readonly from: string; readonly to: string }[],
): Promise<SentScene> {
  const { stderr } = session.context
  const { style, signal } = session
  let isTold = false
  const onProgress = (progress: UploadProgress): void => {
    lines.draw([sendingText(progress)])
    if (!lines.isLive && !isTold) stderr.write(`sending ${amounts(progress)}\n`)
    isTold = true
  }
  try {
    const wanted = sends.map(({ from, to }) => ({ path: to, file: from }))
    const { sha256, progress } = await files.sendTree(wanted, { signal, onProgress })
    lines.clear()
    const wire = progress.wireBytes > 0 ? ` (${formatBytes(progress.wireBytes)} on the wire)` : ''
    stderr.write(`${style('dim', `sent: ${amounts(progress)}${wire}`)}\n`)
    return { inputRoot: sha256, bytes: progress.totalBytes }
  } catch (error) {
    lines.clear()
    if (!(error instanceof Problem) || error.code !== 'cancelled') throw error
    const message = 'Interrupted. What has arrived is kept: the same command sends the rest.'
    throw new Problem('cancelled', message, { cause: error })
  }
}

const amounts = ({ newBytes, totalBytes }: UploadProgress): string =>
  `${formatBytes(newBytes)} new of ${formatBytes(totalBytes)}`

const sendingText = (progress: UploadProgress): string =>
  `sending ${amounts(progress)}: ${formatPercent(progress.newBytes === 0 ? 1 : progress.doneBytes / progress.newBytes)}`
