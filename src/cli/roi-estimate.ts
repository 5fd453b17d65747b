import { assess, PATHS } from '#economics/economics.ts'
import type { CliContext } from './context.ts'
import type { GlobalOptions } from './credentials.ts'
import { pageOf } from './report-page.ts'
import { type Comparison, formatBestNetwork } from './roi-advice.ts'
import { compareNetworks } from './roi-compare.ts'
import type { RoiOptions } from './roi-options.ts'
import { noteAnswers, prepareRoi, refusalOf } from './roi-prepare.ts'
import { formatReport } from './roi-report.ts'

/** Prints what the machine earns. Rejects with `Problem('invalid_request')` for an input that cannot be right. */
export async function runEstimate(context: CliContext, options: RoiOptions & GlobalOptions): Promise<void> {
  const { stdout, clock } = context
  const prepared = await prepareRoi(context, options)
  const known = { nowMs: clock.nowMs(), seed: options.seed, paths: PATHS }
  const report = assess(prepared.catalogue, prepared.input, known)
  if (report.kind === 'refused') throw refusalOf(report.problems)
  if (options.json) stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  else {
    // Whoever asks what a card earns asks next where: without the numbers of a day there is nothing to compare.
    const where = report.account && whereOf(compareNetworks(prepared, options, known.nowMs))
    stdout.write(`${formatReport(report, pageOf(context), where)}\n`)
  }
  noteAnswers(context, prepared, 'roi')
}

const whereOf = (comparison: Comparison): string =>
  `${formatBestNetwork(comparison)} \`shoal roi compare\`, with the same options, says why and what to beware of.`
