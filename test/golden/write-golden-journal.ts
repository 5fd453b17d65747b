/** Writes the golden journal of this release: `node test/golden/write-golden-journal.ts`. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JournalEntry } from '#host/host.ts'
import { writeArchive } from '#host/node/journal-archive.ts'
import { chain } from '#host/node/sqlite-journal-file.ts'
import { VERSION } from '#protocol/version.ts'
import { goldenPayloads } from './golden-history.ts'
import { goldenFolder, replayed, stateText } from './golden-journals.ts'

const ID = '60'.repeat(16)
const payloads = goldenPayloads()
const half = Math.ceil(payloads.length / 2)
// Of two leaders, one after the other.
const entries: JournalEntry[] = payloads.map((payload, index) => ({
  sequence: index + 1,
  epoch: index < half ? 1 : 2,
  payload,
}))
const anchor = chain('', 0, 0, ID)
const checksum = entries.reduce(
  (previous, { sequence, epoch, payload }) => chain(previous, sequence, epoch, payload),
  anchor,
)
const ends = { id: ID, epoch: 2, firstSequence: 1, lastSequence: entries.length, anchor, checksum }

const folder = join(goldenFolder, `journal-${VERSION.split('.').slice(0, 2).join('.')}`)
mkdirSync(folder, { recursive: true })
let text = ''
const read = async (from: number, countMax: number) => entries.slice(from - 1, from - 1 + countMax)
await writeArchive(
  { ends, read },
  async (part) => {
    text += part
  },
  () => undefined,
)
writeFileSync(join(folder, 'journal.jsonl'), text)
writeFileSync(join(folder, 'state.json'), stateText(replayed(payloads)))
console.log(`${folder}: ${entries.length} entries`)
