/** The few questions whose answers decide most, for who typed `shoal roi` and nothing else. */
import type { Catalogue } from '#economics/catalogue.ts'
import { assess } from '#economics/economics.ts'
import type { Gpu } from '#economics/gpu-data.ts'
import type { Unknown } from '#economics/input-lines.ts'
import type { RoiInput } from '#economics/roi-input.ts'
import { Problem } from '#protocol/problem.ts'
import type { CliContext } from './context.ts'
import type { OwnGpus } from './own-gpus.ts'
import { readNumber, roiFlags } from './roi-options.ts'
import { styleFor } from './style.ts'
import { printable } from './table.ts'

type Given = Partial<RoiInput>
/** What an answer adds to the input; a text says what is wrong with it. */
type Read = (answer: string) => Given | string

interface Dialogue {
  readonly context: CliContext
  /** What is wrong with an input, in a sentence; `null` when nothing is. */
  complaint(input: Given): string | null
  /** Asks until the answer can be right. An empty one leaves it to the catalogue or an assumption. */
  ask(input: Given, prompt: string, read: Read): Promise<Given>
}

/** Rejects with `Problem('cancelled')` when the user ends the input. On which network is an answer, not a question. */
export async function askForInput(
  context: CliContext,
  { catalogue, given, ownGpus }: { catalogue: Catalogue; given: Given; ownGpus: OwnGpus | null },
): Promise<RoiInput> {
  const dialogue = createDialogue(context, catalogue)
  const { ask } = dialogue
  const own = ownGpus?.match.kind === 'found' ? ownGpus.match.gpu : null
  const example = own ? `empty: the ${own.name} of this machine` : 'such as RTX 4090'
  let input = await ask(given, `Which GPU? (${example}) `, gpuName(own))
  const isOwner = await askYesNo(dialogue, 'Do you own it already? (y/n) ')
  if (input.purchase === undefined) {
    const question = isOwner ? 'What would it fetch today' : 'What would it cost you'
    input = await ask(
      input,
      `${question}, in USD? (empty: a used price seen in the market) `,
      amount('purchase'),
    )
  }
  if (input.electricityPerKwh === undefined && input.country === undefined) {
    const prompt =
      'What does a kilowatt-hour cost you, in USD, or in which country are you? (such as 0.12, or DE) '
    input = await ask(input, prompt, priceOrPlace)
  }
  if (input.utilisation === undefined) {
    input = await ask(input, 'Which share of all hours is it rented? (empty: 50 %) ', numberOf('utilisation'))
  }
  return askForUnknown(dialogue, catalogue, input)
}

function createDialogue(context: CliContext, catalogue: Catalogue): Dialogue {
  const style = styleFor(context.stderr, context.env)
  const complaint = (input: Given): string | null => {
    const report = assess(catalogue, { ...input, gpu: input.gpu ?? '' }, { paths: 0 })
    return report.kind === 'refused' ? report.problems.map(({ message }) => message).join(' ') : null
  }
  const ask: Dialogue['ask'] = async (input, prompt, read) => {
    for (;;) {
      const more = read(await answerOf(context, style('accent', prompt)))
      const wrong = typeof more === 'string' ? more : complaint({ ...input, ...more })
      if (typeof more !== 'string' && wrong === null) return { ...input, ...more }
      context.stderr.write(`${style('bad', printable(wrong ?? ''))}\n`)
    }
  }
  return { context, complaint, ask }
}

async function answerOf(context: CliContext, prompt: string): Promise<string> {
  const answer = await context.stdin.question(prompt)
  if (answer === null) throw new Problem('cancelled', 'Interrupted.')
  return answer.trim()
}

async function askYesNo({ context }: Dialogue, prompt: string): Promise<boolean> {
  for (;;) {
    const answer = await answerOf(context, prompt)
    if (/^(y|yes|n|no)$/i.test(answer)) return /^y/i.test(answer)
  }
}

/** What is still missing that everything hangs on; an empty answer leaves it so, and the report says what it needs. */
async function askForUnknown(
  { context, ask }: Dialogue,
  catalogue: Catalogue,
  given: Given,
): Promise<RoiInput> {
  let input = { ...given, gpu: given.gpu ?? '' }
  const report = assess(catalogue, input, { paths: 0 })
  const unknowns: readonly Unknown[] = report.kind === 'report' ? report.unknowns : []
  for (const { blocks, flag, label, unit, why } of unknowns) {
    const asked = roiFlags.find((other) => other.flag === flag)
    if (blocks !== 'everything' || !asked) continue
    context.stderr.write(`${why}\n`)
    const read = asked.read === 'number' ? numberOf(asked.field) : amount(asked.field)
    input = { ...input, ...(await ask(input, `The ${label}, in ${unit}? (empty: not known) `, read)) }
  }
  return input
}

const amount =
  (field: keyof RoiInput): Read =>
  (answer) =>
    answer === '' ? {} : { [field]: answer }

const numberOf =
  (field: keyof RoiInput): Read =>
  (answer) => {
    if (answer === '') return {}
    const value = readNumber(answer)
    return value === null
      ? 'Expected a number with a point, such as 0.5, or a share such as 50%.'
      : { [field]: value }
  }

const gpuName =
  (own: Gpu | null): Read =>
  (answer) => {
    if (answer !== '') return { gpu: answer }
    if (own) return { gpu: own.id }
    return 'Its name is on the box, and `nvidia-smi -L` says it; `shoal gpus` lists those that are known.'
  }

/** A price has a digit in it; the name of no place has. But for `EU27`. */
const priceOrPlace: Read = (answer) => {
  if (answer === '') return 'Without it nothing can be said: the last bill has it, in its price per kWh.'
  return /\d/.test(answer) && !/^[a-z]{2}\d+$/i.test(answer)
    ? { electricityPerKwh: answer }
    : { country: answer }
}
