/** What both `shoal roi` and `shoal roi compare` begin with: the catalogue, and an input that names a GPU. */
import { type Catalogue, parseCatalogue } from '#economics/catalogue.ts'
import type { InputProblem } from '#economics/input-lines.ts'
import type { RoiInput } from '#economics/roi-input.ts'
import { Problem } from '#protocol/problem.ts'
import type { CliContext } from './context.ts'
import type { GlobalOptions } from './credentials.ts'
import { type RoiOptions, roiInputOf, typedOptions } from './roi-options.ts'
import { askForInput } from './roi-questions.ts'
import { styleFor } from './style.ts'

export interface PreparedRoi {
  readonly catalogue: Catalogue
  readonly input: RoiInput
  /** Whether the owner was asked, so that the answers can be shown as options. */
  readonly hasAsked: boolean
}

/** Asks where nobody said which GPU and somebody is there to answer; rejects with a `Problem` where nobody is. */
export async function prepareRoi(
  context: CliContext,
  options: RoiOptions & GlobalOptions,
  { isComparing = false }: { isComparing?: boolean } = {},
): Promise<PreparedRoi> {
  const given = roiInputOf({ ...options })
  const catalogue = parseCatalogue(context.dataFiles())
  const { gpu } = given
  if (gpu !== undefined) return { catalogue, input: { ...given, gpu }, hasAsked: false }
  if (options.json || !context.stdin.isTty) {
    const what = 'Say which GPU, as in `shoal roi --gpu "RTX 4090" --kwh 0.12`. `shoal gpus` lists them.'
    throw new Problem('invalid_request', what)
  }
  const question = { catalogue, given, isComparing }
  return { catalogue, input: await askForInput(context, question), hasAsked: true }
}

/** How to get there without being asked, for people; nothing where nobody was asked. */
export function noteAnswers(context: CliContext, { input, hasAsked }: PreparedRoi, name: string): void {
  const { stderr, env } = context
  if (!hasAsked) return
  stderr.write(`\n${styleFor(stderr, env)('dim', `The same again: shoal ${name} ${typedOptions(input)}`)}\n`)
}

/** Everything that is wrong with an input, each in its sentence. */
export const refusalOf = (problems: readonly InputProblem[]): Problem =>
  new Problem('invalid_request', problems.map(({ message }) => message).join(' '))
