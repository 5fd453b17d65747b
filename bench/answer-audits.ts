/**
 * Answers of an honest node and of nodes that run something cheaper under the same name, looked at by the real engine as the
 * network does: how many tokens and embedded texts do not fit, how often an answer is doubted, and after how many audited answers a node is judged.
 *
 *     node bench/answer-audits.ts [--json] [--model FILE.gguf] [--answers 24] [--tokens 64] [--draws 20000]
 *
 * Without a model it is the tiny one of random weights that tests use; one that was trained says more. The cheaper ones are made of
 * it: weights of 3 and of 2 bits, every fourth layer left out; and where it is the tiny one, another of the same size.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { completion, finishRun, openTinyEngine, type TinyEngine } from '#engines/llama-cpp/tiny-engine.ts'
import { tinyGguf } from '#engines/llama-cpp/tiny-gguf.ts'
import { createRandom } from '#kernel/random.ts'
import type { AnswerTest } from '#protocol/answer-audit.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import {
  compareClaims,
  compareVectors,
  countSurprises,
  evidenceMilli,
  type TokenCounts,
} from '#verify/answer-evidence.ts'
import { ANSWER_MILLI_MAX, DOUBT_MILLI, EVIDENCE_MAX, FADE_MILLI } from '#verify/answer-rules.ts'
import { coarser, fewerLayers } from './parts/gguf-variants.ts'
import { print } from './parts/machine.ts'

const SEED = 20_261_123
/** Answers after which nobody waits for a verdict any more. */
const AUDITS_MAX = 2_000
const tests = ['claimed', 'typical', 'compared'] as const satisfies readonly AnswerTest[]

const PROMPTS = [
  'Once upon a time there was a small node that',
  'The three most important things about a fair market are',
  'To boil an egg properly, one should first',
  'Dear colleagues, I am writing to tell you that',
  'In the year 1850 the railway',
  'def quicksort(items):',
]

interface Row {
  readonly delivered: string
  readonly test: AnswerTest
  readonly tokens: number
  readonly offShare: number
  /** Of answers. */
  readonly doubtedShare: number
  /** Of simulated nodes that give answers like these, all looked at: audits until half, and until 99 % are judged. */
  readonly auditsMedian: number | null
  readonly audits99: number | null
  /** Of them, how many never were, within 2,000 audits. */
  readonly neverShare: number
}

interface Variant {
  readonly name: string
  readonly file: Buffer
  readonly slots: number
  readonly threads: number
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      model: { type: 'string' },
      answers: { type: 'string', default: '24' },
      tokens: { type: 'string', default: '64' },
      draws: { type: 'string', default: '20000' },
      variants: { type: 'string' },
    },
  })
  const [answers, tokens, draws] = [values.answers, values.tokens, values.draws].map(Number) as [
    number,
    number,
    number,
  ]
  const file =
    values.model === undefined ? Buffer.from(tinyGguf({ isEndless: true })) : await readFile(values.model)
  const variants = variantsOf(file, values.model === undefined).filter(
    ({ name }) => values.variants === undefined || values.variants.split(',').includes(name),
  )
  const rows = await measure({ file, variants, answers, tokens, draws })
  print(
    values.json,
    { bench: 'answer-audits', seed: SEED, model: values.model ?? 'tiny', answers, tokens, rows },
    () => text(rows),
  )
}

function variantsOf(file: Buffer, isTiny: boolean): Variant[] {
  const one = { slots: 1, threads: 1 }
  return [
    { name: 'honest', file, slots: 4, threads: 1 },
    { name: '3-bit', file: coarser(file, 3), ...one },
    { name: '2-bit', file: coarser(file, 2), ...one },
    { name: 'fewer-layers', file: fewerLayers(file, isTiny ? 2 : 4), ...one },
    ...(isTiny
      ? [{ name: 'another', file: Buffer.from(tinyGguf({ isEndless: true, seed: 7 })), ...one }]
      : []),
  ]
}

async function measure(of: {
  file: Buffer
  variants: readonly Variant[]
  answers: number
  tokens: number
  draws: number
}): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-answer-audits-'))
  const auditor = await open(folder, { name: 'auditor', file: of.file, slots: 2, threads: 1 })
  const rows: Row[] = []
  for (const variant of of.variants) {
    const node = await open(folder, variant)
    const counts = await look(node, auditor, of)
    await node.close()
    for (const test of tests)
      rows.push(
        rowOf(
          variant.name,
          test,
          counts.map((one) => one[test]),
          of.draws,
        ),
      )
  }
  await auditor.close()
  await rm(folder, { recursive: true })
  return rows
}

async function open(folder: string, { name, file, slots, threads }: Variant): Promise<TinyEngine> {
  const modelPath = join(folder, `${name}.gguf`)
  await writeFile(modelPath, file)
  const node = await openTinyEngine({ file: null, modelPath, slots, threads, contextTokensMax: 1_024 })
  await node.engine.ready()
  return node
}

/** Answers of `node`, and what of each does not fit. */
async function look(
  node: TinyEngine,
  auditor: TinyEngine,
  { answers, tokens }: { answers: number; tokens: number },
): Promise<Record<AnswerTest, TokenCounts>[]> {
  const asked = Array.from({ length: answers }, (_, index): EngineRequest => {
    const prompt = `${PROMPTS[index % PROMPTS.length]} ${index}`
    const request = completion(prompt, {
      maxTokens: tokens,
      sampling: { temperature: 0.8, seed: SEED + index },
    })
    return { ...request, topLogprobs: 0 } as EngineRequest
  })
  return await Promise.all(
    asked.map(async (request, index) => {
      const { deltas, tokenIds } = await finishRun(node.engine, request)
      const claimed = deltas.flatMap(({ detail }) => detail?.logprobs?.map(({ logprob }) => logprob) ?? [])
      const scored = { tokenIds: [...tokenIds], hasEnd: false }
      const said = await finishRun(auditor.engine, {
        ...request,
        topLogprobs: undefined,
        scored,
      } as EngineRequest)
      const scores = said.deltas.flatMap(({ detail }) => detail?.scores ?? [])
      const found = scores.flatMap(({ logprobs }) => logprobs)
      const tails = scores.flatMap((one) => one.tails)
      const texts = [0, 1].map((place) => `${PROMPTS[(index + place) % PROMPTS.length]} ${index}`)
      const [made, again] = await Promise.all([node, auditor].map((one) => embed(one, texts)))
      const compared = compareVectors(made ?? [], again ?? [], { isSameFile: true })
      return { claimed: compareClaims(claimed, found), typical: countSurprises(tails), compared }
    }),
  )
}

async function embed({ engine }: TinyEngine, inputs: string[]): Promise<number[][]> {
  const { vectors } = await finishRun(engine, {
    kind: 'embedding',
    requestId: 'request',
    model: 'tiny',
    inputs,
  })
  return vectors.map((vector) => [...vector])
}

/** Nodes are simulated that give answers like these, drawn anew, until each is judged. */
function rowOf(delivered: string, test: AnswerTest, counts: readonly TokenCounts[], draws: number): Row {
  const random = createRandom(SEED)
  const evidence = counts.map((one) => evidenceMilli(test, one))
  const tokens = counts.reduce((sum, one) => sum + one.tokens, 0)
  const audits: number[] = []
  for (let left = draws; left > 0; ) {
    let against = 0
    let count = 0
    while (against < EVIDENCE_MAX && count < AUDITS_MAX && left-- > 0) {
      count++
      const said = evidence[random.int(evidence.length)] ?? 0
      against = Math.max(0, against + (said >= DOUBT_MILLI ? Math.min(said, ANSWER_MILLI_MAX) : -FADE_MILLI))
    }
    if (against >= EVIDENCE_MAX) audits.push(count)
    else if (count >= AUDITS_MAX) audits.push(Number.POSITIVE_INFINITY)
  }
  const sorted = audits.sort((a, b) => a - b)
  const at = (share: number): number | null => {
    const found =
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.POSITIVE_INFINITY
    return Number.isFinite(found) ? found : null
  }
  return {
    delivered,
    test,
    tokens,
    offShare: counts.reduce((sum, one) => sum + one.off, 0) / Math.max(1, tokens),
    doubtedShare: evidence.filter((said) => said >= DOUBT_MILLI).length / evidence.length,
    auditsMedian: at(0.5),
    audits99: at(0.99),
    neverShare: sorted.filter((count) => !Number.isFinite(count)).length / Math.max(1, sorted.length),
  }
}

function text(rows: readonly Row[]): string[] {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`.padStart(8)
  const count = (audits: number | null): string => (audits === null ? 'never' : String(audits)).padStart(6)
  return [
    'delivered     test       parts off  answers doubted  audits until judged (half, 99 %)',
    ...rows.map(
      (row) =>
        `${row.delivered.padEnd(13)} ${row.test.padEnd(8)} ${percent(row.offShare)}   ${percent(row.doubtedShare)}      ${count(row.auditsMedian)} ${count(row.audits99)}`,
    ),
  ]
}
