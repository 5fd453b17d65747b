/** The small pictures of a quote: in the terminal where it shows pictures, else on a sheet in the folder of results. */

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
}): Promise<void> {
  const { session, tools, files, quote, folder } = input
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
    const strip = await stripOf(tools, frames)
    if (strip === null || showInTerminal(context, strip)) return
    const path = await saveSheet(tools, strip, { folder, name: `previews-${quote.quoteId.slice(-6)}` })
    context.stderr.write(`${style('dim', `previews: ${path}`)}\n`)
  } finally {
    await place.remove()
  }
}
