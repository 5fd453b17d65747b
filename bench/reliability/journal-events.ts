/** The journal of a network, read when the network is over: what it says happened, whatever the API said meanwhile. */
import { readFileSync } from 'node:fs'
import type { Network, Rig } from '../../test/e2e/rig.ts'

export interface JournalEvent {
  readonly type: string
  readonly atMs?: number
  readonly nodeId?: string
  readonly [field: string]: unknown
}

/** Ends the network in order, then reads all of it. */
export async function eventsOf(rig: Rig, network: Network): Promise<JournalEvent[]> {
  network.program.signal('SIGINT')
  await network.program.end
  const file = rig.path('journal.jsonl')
  const { code, stderr } = await rig.run(['journal', 'export', file, ...network.options])
  if (code !== 0) throw new Error(`the journal cannot be read: ${stderr}`)
  const events = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.includes('"payload"'))
    .flatMap((line) => {
      const { payload } = JSON.parse(line) as { payload: string }
      return (JSON.parse(payload) as { events?: JournalEvent[] }).events ?? []
    })
  if (events.length === 0) throw new Error('the journal of a network that served has no events')
  return events
}
