/** What must hold after every run, whatever the fault was: of bills, of books, and of what was answered. */
import assert from 'node:assert/strict'
import type { UsageLine } from '#protocol/usage-page.ts'
import { type Books, proveBooks, settle } from '../../test/e2e/books.ts'
import { proveBilling } from '../../test/e2e/crowd-proofs.ts'
import type { Network, Rig } from '../../test/e2e/rig.ts'
import { type Check, none } from './scenario.ts'
import type { Steady } from './steady-load.ts'
import { proveTexts, type TextProof } from './text-proof.ts'

export interface RunOver {
  readonly rig: Rig
  readonly network: Network
  /** Of all streams that were begun. */
  readonly results: readonly Steady[]
  /** As many as each stream asked for; `null` where the texts were compared before. */
  readonly tokens: number | null
}

export interface RunProof {
  readonly usage: readonly UsageLine[]
  readonly books: Books
  readonly texts: TextProof | null
  /** For those of the scenario. */
  readonly checks: readonly Check[]
}

/**
 * Waits until nothing is under way and asserts that each answer that ended well is billed once, as its caller was told, and that the
 * books balance. Compares the texts with what the engine says alone: the network must be there, and may be idle.
 */
export async function proveRun({ rig, network, results, tokens }: RunOver): Promise<RunProof> {
  const usage = await settle(network, wellOf(results).length)
  proveBills(results, usage)
  const books = await proveBooks(network.operator, usage)
  const texts = tokens === null ? null : await proveTexts(rig.tinyPath(), results, tokens)
  return { usage, books, texts, checks: texts === null ? [] : textChecks(texts) }
}

/** Asserts that each stream that ended well is billed once, as its caller was told. */
export function proveBills(results: readonly Steady[], usage: readonly UsageLine[]): void {
  const well = wellOf(results)
  const untold = well.filter(({ requestId, usage: told, cost }) => !requestId || !told || cost === null)
  assert.equal(untold.length, 0, 'whoever got a whole answer was told its number, its tokens and its cost')
  proveBilling(
    well.map((one) => ({ ...one, usage: one.usage as never, chunks: 1, finishReason: null })),
    usage,
  )
}

/** Comparing none shows nothing. */
export const textChecks = ({ compared, unexplained }: TextProof): Check[] => [
  none('answers with a token repeated, lost or changed', unexplained),
  { what: 'answers compared', found: compared.toLocaleString('en'), pass: 'some', isPassed: compared > 0 },
]

const wellOf = (results: readonly Steady[]): readonly Steady[] =>
  results.filter(({ error }) => error === null)
