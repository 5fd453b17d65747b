/** The journals of the releases, each with the state that it came to. */
import { createReadStream, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { readRecord } from '#coordinator/coordinator-events.ts'
import {
  type CoordinatorState,
  checkState,
  emptyState,
  evolve,
  formatState,
} from '#coordinator/coordinator-state.ts'
import { readArchive } from '#host/node/journal-archive.ts'

export interface GoldenJournal {
  /** Such as `journal-0.1`. */
  readonly name: string
  /** As they were written. */
  readonly payloads: readonly string[]
  /** What they come to, as JSON that a diff can show. */
  readonly expectedState: string
}

export const goldenFolder = import.meta.dirname

/** All of them, oldest release first, their checksums verified. */
export async function goldenJournals(): Promise<GoldenJournal[]> {
  const names = readdirSync(goldenFolder).filter((name) => /^journal-\d/.test(name))
  const journals: GoldenJournal[] = []
  for (const name of names.sort()) {
    const lines = createInterface({ input: createReadStream(join(goldenFolder, name, 'journal.jsonl')) })
    const payloads: string[] = []
    const { steps } = await readArchive(lines)
    for await (const entries of steps) payloads.push(...entries.map((entry) => entry.payload))
    const expectedState = readFileSync(join(goldenFolder, name, 'state.json'), 'utf8')
    journals.push({ name, payloads, expectedState })
  }
  return journals
}

export function replayed(payloads: readonly string[]): CoordinatorState {
  const state = emptyState()
  for (const payload of payloads) for (const event of readRecord(payload).events) evolve(state, event)
  checkState(state)
  return state
}

export const stateText = (state: CoordinatorState): string =>
  `${JSON.stringify(JSON.parse(formatState(state)), null, 1)}\n`
