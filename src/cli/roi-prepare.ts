/** What both `shoal roi` and `shoal roi compare` begin with: the catalogue, an input that names a GPU, and what is known besides. */
import { type Catalogue, parseCatalogue } from '#economics/catalogue.ts'
import type { InputProblem } from '#economics/input-lines.ts'
import type { OwnHistory } from '#economics/own-history.ts'
import type { Known } from '#economics/resolve-roi.ts'
import type { RoiInput } from '#economics/roi-input.ts'
import { Problem } from '#protocol/problem.ts'
import type { CliContext } from './context.ts'
import { dataFolderOf, type GlobalOptions } from './credentials.ts'
import { findOwnGpus, type OwnGpus } from './own-gpus.ts'
import { type RoiOptions, roiInputOf, typedOptions } from './roi-options.ts'
import { askForInput } from './roi-questions.ts'
import { readTariffMean } from './roi-tariff.ts'
import { styleFor } from './style.ts'
import { readTokenSeries } from './token-series.ts'

export interface PreparedRoi {
  readonly catalogue: Catalogue
  readonly input: RoiInput
  readonly known: Known
  /** With `--live`: the record of this machine's node. */
  readonly history: OwnHistory | null
  /** Whether the owner was asked, so that the answers can be shown as options. */
  readonly hasAsked: boolean
}

type Options = RoiOptions & GlobalOptions

/** What is known before any GPU is named. */
export interface Grounds extends Omit<PreparedRoi, 'input' | 'hasAsked'> {
  readonly given: Partial<RoiInput>
  readonly ownGpus: OwnGpus | null
}

/** Reads whatever the options name. Rejects with a `Problem` for what cannot be read or is not what it should be. */
export async function readGrounds(context: CliContext, options: Options): Promise<Grounds> {
  const given = roiInputOf({ ...options })
  const catalogue = parseCatalogue(context.dataFiles())
  const nowMs = context.clock.nowMs()
  const isLive = options.live === true
  const [tokenSeries, tariff] = [
    await readTokenSeries(context, options.tokenHistory),
    await readTariffMean(context, options),
  ]
  const isProbed = given.gpu === undefined && (isLive || context.stdin.isTty)
  const ownGpus = isProbed ? await findOwnGpus(context, catalogue.gpus) : null
  const gpuCount = given.gpuCount ?? (isLive ? ownGpus?.count : undefined)
  const history = isLive ? await readHistory(context, options, gpuCount ?? 1) : null
  const known = { measured: history?.measured ?? null, nowMs, tokenSeries, ...(tariff && { tariff }) }
  return {
    catalogue,
    given: { ...given, ...(gpuCount !== undefined && { gpuCount }) },
    known,
    history,
    ownGpus,
  }
}

function readHistory(context: CliContext, options: Options, gpuCount: number): Promise<OwnHistory> {
  if (!context.ownHistory)
    throw new Problem('not_supported', 'No node can run from here, so there is no record of one.')
  return context.ownHistory({
    dataFolder: dataFolderOf(context, options),
    node: options.node,
    nowMs: context.clock.nowMs(),
    historyDays: options.historyDays,
    gpuCount,
  })
}

/** Asks where nobody said which GPU and somebody is there to answer; rejects with a `Problem` where nobody is. */
export async function prepareRoi(context: CliContext, options: Options): Promise<PreparedRoi> {
  const { given, ownGpus, ...grounds } = await readGrounds(context, options)
  const { gpu } = given
  if (gpu !== undefined) return { ...grounds, input: { ...given, gpu }, hasAsked: false }
  if (options.json || !context.stdin.isTty) {
    const what = 'Say which GPU, as in `shoal roi --gpu "RTX 4090" --kwh 0.12`. `shoal gpus` lists them.'
    throw new Problem('invalid_request', what)
  }
  const input = await askForInput(context, { catalogue: grounds.catalogue, given, ownGpus })
  return { ...grounds, input, hasAsked: true }
}

/** How to get there without being asked, for people; nothing where nobody was asked. */
export function noteAnswers(context: CliContext, { input, hasAsked }: PreparedRoi, name: string): void {
  const { stderr, env } = context
  if (!hasAsked) return
  stderr.write(`\n${styleFor(stderr, env)('dim', `The same again: shoal ${name} ${typedOptions(input)}`)}\n`)
}

/** Everything that is wrong with an input, each in its sentence. */
export function refusalOf(problems: readonly InputProblem[]): Problem {
  const isGpuUnknown = problems.some(({ name, message }) => name === 'gpu' && message.includes('Closest are'))
  const hint = isGpuUnknown
    ? [
        '`shoal gpus` lists all. If yours is none of them, name the one most like it and say what differs: --price, --watts, --idle-watts, --purchase.',
      ]
    : []
  return new Problem('invalid_request', [...problems.map(({ message }) => message), ...hint].join(' '))
}
