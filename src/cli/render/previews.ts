/** The small pictures of a quote: in the terminal where it shows pictures, else on a sheet in the folder of results. */

import { formatDuration } from '#kernel/time.ts'
import type { JobFiles, JobTools } from '../jobs/job-tools.ts'
import { patiently } from '../jobs/patience.ts'
import type { Session } from '../session.ts'
import { type FrameFile, saveSheet, showInTerminal, stripOf } from './pictures.ts'
import type { QuoteFacts } from './quote-view.ts'

export async function showPreviews(input: {
  readonly session: Session
  readonly tools: JobTools
  readonly files: JobFiles
  readonly quote: QuoteFacts
  /** Of results. */
  readonly folder: string
  /** On the clock of this process. */
  readonly startedAtMs: number
}): Promise<void> {
  const { session, tools, files, quote, folder, startedAtMs } = input
  const { context, signal, style } = session
  const place = await tools.disk.temporary()
  try {
    const frames: FrameFile[] = []
    for (const [at, { file, params }] of quote.previews.entries()) {
      if (file === null) continue
      const path = `${place.path}/${at}`
      const { sha256 } = file
      await patiently(session, () =>
        files.fetchFile({ sha256, object: sha256, form: 'plain' }, path, { signal }),
      )
      frames.push({ path, label: String(params['frame'] ?? '') })
    }
    const strip = await stripOf(
      tools,
      frames.toSorted((a, b) => Number(a.label) - Number(b.label)),
    )
    if (strip === null || showInTerminal(context, strip)) return
    const path = await saveSheet(tools, strip, { folder, name: `previews-${quote.quoteId.slice(-6)}` })
    const after = formatDuration(context.clock.elapsedMs() - startedAtMs)
    context.stderr.write(`${style('dim', `previews after ${after}: ${path}`)}\n`)
  } finally {
    await place.remove()
  }
}
