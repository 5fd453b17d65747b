/** For tests of one part: machines on one virtual clock, one network and one bus, without faults unless a test sets some. */
import { enrolNode } from '#coordinator/enrol-node.ts'
import { openOrganisation } from '#coordinator/open-organisation.ts'
import type { Turn } from '#coordinator/turn.ts'
import type { Host, Log } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { NANO_PER_USD, type NanoUsd } from '#kernel/money.ts'
import { createRandom, forkRandom } from '#kernel/random.ts'
import { consumerAccount, EXTERNAL_TEST } from '#ledger/ledger.ts'
import { Scheduler } from './scheduler.ts'
import { type BusFaults, SimBus } from './sim-bus.ts'
import { SimDisk } from './sim-disk.ts'
import { createSimHost, sha256Hex } from './sim-host.ts'
import { SimNetwork } from './sim-network.ts'
import { SimProcess } from './sim-process.ts'

export interface TestMachine {
  readonly process: SimProcess
  readonly disk: SimDisk
  readonly host: Host
  /** Names of the events it logged. */
  readonly logged: readonly string[]
}

export interface TestWorld {
  readonly scheduler: Scheduler
  readonly network: SimNetwork
  readonly faults: BusFaults
  /** A running machine; on `disk`, it is one that was there before. */
  machine(name: string, disk?: SimDisk): TestMachine
  /** Lets `durationMs` of virtual time pass. */
  run(durationMs: number): Promise<void>
  /** Lets time pass until `promise` settles, and settles alike. */
  settle<T>(promise: Promise<T>): Promise<T>
}

const SETTLE_MS = 60_000

export function createTestWorld(seed = 1): TestWorld {
  const random = createRandom(seed)
  const scheduler = new Scheduler(forkRandom(random))
  const network = new SimNetwork(scheduler, forkRandom(random))
  const faults: BusFaults = { lossPer10k: 0, duplicatePer10k: 0, delayMsMax: 5, cutOff: new Set() }
  const bus = new SimBus(scheduler, forkRandom(random), faults)
  // Some promise is always open, so every continuation runs before the next event.
  scheduler.track(new Promise(() => {}))
  return {
    scheduler,
    network,
    faults,
    machine(name, disk = new SimDisk(name, forkRandom(random), sha256Hex)) {
      const process = new SimProcess(scheduler, name, 0)
      const logged: string[] = []
      const note = (event: string): void => void logged.push(event)
      const log: Log = { info: note, warn: note, error: note }
      const host = createSimHost({ process, disk, random: forkRandom(random), network, bus, log })
      return { process, disk, host, logged }
    },
    run: (durationMs) => scheduler.run(scheduler.nowMs() + durationMs),
    async settle(promise) {
      let isSettled = false
      const note = (): void => {
        isSettled = true
      }
      promise.then(note, note)
      await scheduler.run(scheduler.nowMs() + SETTLE_MS, () => isSettled)
      assert(isSettled, `a promise is still open after ${SETTLE_MS} ms`)
      return promise
    },
  }
}

export const PAYER = 'org_payer'
export const PROVIDER = 'org_provider'

/** A cell's first turn: `PAYER` with money, and `PROVIDER` with its nodes, by id and public key. */
export function foundCell(
  turn: Turn,
  { balance = NANO_PER_USD, nodes = {} }: { balance?: NanoUsd; nodes?: Record<string, string> } = {},
): void {
  const { nowMs } = turn
  const refusals: (string | null)[] = [
    openOrganisation(turn, { organisationId: PAYER, name: 'payer' }),
    openOrganisation(turn, { organisationId: PROVIDER, name: 'provider' }),
    turn.ledger({
      kind: 'transfer',
      transferId: 'founding',
      debitAccountId: EXTERNAL_TEST,
      creditAccountId: consumerAccount(PAYER),
      amount: balance,
      memo: 'test balance',
      createdAtMs: nowMs,
      nowMs,
    }),
  ]
  for (const [nodeId, publicKey] of Object.entries(nodes)) {
    const tokenHash = `token of ${nodeId}`
    const token = { tokenHash, organisationId: PROVIDER, expiresAtMs: nowMs + 60_000, nowMs }
    refusals.push(turn.fleet({ kind: 'issue_token', ...token }))
    const enrolled = enrolNode(turn, { nodeId, publicKey, name: nodeId, tokenHash, askPerGpuHour: 1n })
    refusals.push(typeof enrolled === 'string' ? enrolled : null)
  }
  for (const refusal of refusals) assert(refusal === null, `founding is refused: ${refusal}`)
}
