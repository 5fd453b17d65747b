/**
 * A disk is lost: a backup taken as the documentation says while the network served, the network killed, its folder removed, and
 * the backup put in its place. What of the acknowledged is there, and how long until callers are served again.
 */
import { cpSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type ChaosFleet, startChaosFleet } from '../../test/chaos/chaos-fleet.ts'
import { proveBooks, settle } from '../../test/e2e/books.ts'
import { until } from '../../test/e2e/process-group.ts'
import { type Network, openRig, type Rig } from '../../test/e2e/rig.ts'
import { founderAccount } from '../../test/e2e/takeover-load.ts'
import { proveRun } from './prove-run.ts'
import { atMost, none, type ScenarioOptions, type ScenarioResult } from './scenario.ts'
import { startSteady, stream } from './steady-load.ts'
import { startWrapped } from './wrapped-network.ts'

const RTO_MS_MAX = 300_000
/** Acknowledged before the backup begins, and after it. */
const [BEFORE, AFTER] = [200, 50]

export async function restore({ seed }: ScenarioOptions): Promise<ScenarioResult> {
  const rig = openRig()
  try {
    const network = await startWrapped(rig, [])
    const fleet = await startChaosFleet({ rig, network, count: 1, seed })
    const { openaiBaseUrl: baseUrl, apiKey } = network.ready
    const asked = { baseUrl, apiKey, model: 'tiny', perSecond: 10, tokens: 16, seed }
    const load = startSteady(asked)
    await until('some answers', () => load.results.length > 30)
    const accountId = await founderAccount(network)
    await deposit(network, accountId, 0, BEFORE)
    const backup = backUp(rig, network)
    await deposit(network, accountId, BEFORE, AFTER)
    const results = await load.stop()
    // Before the loss: what was billed since the backup goes with the disk.
    const { usage: billed, checks } = await proveRun({ rig, network, results, tokens: asked.tokens })

    const lostMs = performance.now()
    const { port } = new URL(network.ready.apiUrl)
    await until('the whole network to be gone', () => killBut(rig, fleet))
    rmSync(network.folder, { recursive: true, force: true })
    renameSync(backup, network.folder)
    const again = await startWrapped(rig, [], { port })
    const openMs = performance.now() - lostMs
    await until('an answer', async () => (await stream(asked, 'Are you there?')).error === null)
    const rtoMs = performance.now() - lostMs

    const usage = await settle(again, 1).catch((error: unknown) => {
      throw new Error(`the restored network: ${again.program.output()}`, { cause: error })
    })
    await proveBooks(again.operator, usage)
    const missing = await depositsMissing(again, accountId, BEFORE)
    const gone = await depositsMissing(again, accountId, BEFORE + AFTER)
    await fleet.close()
    again.program.signal('SIGINT')
    await again.program.end
    const verify = await rig.run(['journal', 'verify', ...again.options])
    return {
      figures: {
        acknowledgedBefore: BEFORE,
        acknowledgedAfter: AFTER,
        lostOfThoseAfter: gone - missing,
        openMs,
        rtoMs,
        usageBefore: billed.length,
        usageAfter: usage.length,
        stateDigest: /state\s+(\S+)/.exec(verify.stdout)?.[1],
      },
      checks: [
        none('commands acknowledged before the backup and lost', missing),
        atMost('until a caller is served again, from the loss', rtoMs / 1_000, RTO_MS_MAX / 1_000, 's'),
        none('the journal’s complaints when it is verified and replayed', verify.code ?? 1),
        ...checks,
      ],
      notRun: [
        'no loss at all needs a second copy that is in step: PostgreSQL’s, see `docs/operating/postgresql.md`',
      ],
    }
  } finally {
    await rig.dispose()
  }
}

/** True when nothing but the agents is left. */
function killBut(rig: Rig, { agents }: ChaosFleet): boolean {
  const spared = new Set(agents.map(({ program }) => program.pid))
  const left = rig.processes().filter(({ group }) => !spared.has(group))
  for (const { pid } of left) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended by itself.
    }
  }
  return left.length === 0
}

/** Each with an amount of its own, so that the balance tells which are there. */
async function deposit({ operator }: Network, accountId: string, from: number, count: number): Promise<void> {
  for (let index = from; index < from + count; index++)
    await operator.depositToAccount({
      params: { accountId },
      body: { transferId: `restore-${index}`, createdAtMs: Date.now(), amount: 1n, memo: '', isTest: true },
    })
}

async function depositsMissing({ operator }: Network, accountId: string, count: number): Promise<number> {
  const seen = new Set<string>()
  let before: string | undefined
  for (;;) {
    const page = await until('the statement to be complete', async () => {
      const query = { limit: 100, ...(before === undefined ? {} : { before }) }
      const one = await operator.getStatement({ params: { accountId }, query }).catch(() => null)
      return one !== null && one.lagEntries === 0 && one
    })
    for (const { transferId } of page.items) seen.add(transferId)
    if (page.next === null) break
    before = page.next
  }
  return Array.from({ length: count }, (_, index) => `restore-${index}`).filter((id) => !seen.has(id)).length
}

/** As `docs/operating/backup.md` has it, while the network runs. */
function backUp(rig: Rig, { folder }: Network): string {
  const backup = rig.path('backup')
  mkdirSync(join(backup, 'journals'), { recursive: true })
  const journal = new DatabaseSync(join(folder, 'journals/journal.db'))
  journal.exec(`VACUUM INTO '${join(backup, 'journals/journal.db')}'`)
  journal.close()
  cpSync(join(folder, 'secrets'), join(backup, 'secrets'), { recursive: true })
  cpSync(join(folder, 'credentials.json'), join(backup, 'credentials.json'))
  return backup
}
