/** `--html` and `--png`: the report as files that can be handed on. */
import type { Ranking } from '#economics/answers.ts'
import type { RoiReport } from '#economics/economics.ts'
import { VERSION } from '#protocol/version.ts'
import type { CliContext } from './context.ts'
import { htmlReport } from './roi-html.ts'
import { type RoiOptions, typedBesides, typedOptions } from './roi-options.ts'
import type { PreparedRoi } from './roi-prepare.ts'
import { styleFor } from './style.ts'

interface Told {
  readonly report: RoiReport
  readonly ranking: Ranking | null
  readonly prepared: PreparedRoi
}

/** As a forum shows it: wide enough for two charts side by side. */
const PICTURE_WIDTH_PX = 960

/** Writes what was asked for and says so. Rejects with a `Problem` for a file that cannot be, or without a browser. */
export async function writeFiles(
  context: CliContext,
  options: RoiOptions,
  { report, ranking, prepared }: Told,
): Promise<void> {
  const { html, png } = options
  if (html === undefined && png === undefined) return
  const { input, known } = prepared
  const told = {
    report,
    ranking,
    tokenSeries: known.tokenSeries ?? [],
    command: `shoal roi ${[typedOptions(input), ...typedBesides(options)].join(' ')}`,
    day: new Date(known.nowMs ?? 0).toISOString().slice(0, 10),
    version: VERSION,
  }
  if (html !== undefined) await write(context, html, htmlReport({ ...told, isPicture: false }))
  if (png === undefined) return
  const page = htmlReport({ ...told, isPicture: true })
  await write(context, png, await context.browser.takePicture(page, { widthPx: PICTURE_WIDTH_PX }))
}

async function write(context: CliContext, path: string, data: string | Uint8Array): Promise<void> {
  await context.writeFile(path, data)
  const { stderr, env } = context
  const kilobytes = Math.ceil((typeof data === 'string' ? Buffer.byteLength(data) : data.length) / 1_000)
  stderr.write(`${styleFor(stderr, env)('dim', `Written: ${path} (${kilobytes} kB)`)}\n`)
}
