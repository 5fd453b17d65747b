/**
 * The ledger against its oracle: commands are decided in groups, as the coordinator's are; a group becomes durable as a
 * line of text; the process dies now and then, between any two writes or within one, and rebuilds itself from a snapshot
 * and the lines after it. A second ledger follows the lines alone, so that every write is also the last before some death.
 */
import { assert } from '#kernel/assert.ts'
import { fromCanonical, toCanonical } from '#kernel/canonical.ts'
import { createRandom, forkRandom, type Random } from '#kernel/random.ts'
import { wireFormsByKind } from '#protocol/wire-form.ts'
import { decideLedger, type LedgerCommand } from './decide-ledger.ts'
import { evolveLedger } from './evolve-ledger.ts'
import { checkLedger, emptyLedger, type Ledger } from './ledger.ts'
import { LedgerEvent } from './ledger-events.ts'
import { CommandSource } from './test-ledger-commands.ts'
import type { Outcome } from './test-ledger-oracle.ts'
import { PayoutOracle } from './test-payout-oracle.ts'

export interface DifferentialRun {
  readonly operations: number
  readonly outcomes: Record<Outcome, number>
  readonly crashes: number
  /** Deaths in the middle of a write, whose part was dropped at the next start. */
  readonly tornWrites: number
}

const CHECK_EVERY = 100
const SNAPSHOT_EVERY_LINES = 40

/** Throws at the first operation after which the two differ. */
export function runDifferential(seed: number, operations: number): DifferentialRun {
  const run = new Run(createRandom(seed))
  while (run.operations < operations) run.step()
  run.flush()
  return run
}

class Run implements DifferentialRun {
  operations = 0
  crashes = 0
  tornWrites = 0
  readonly outcomes = { done: 0, repeat: 0, refused: 0 }
  readonly #random: Random
  readonly #source: CommandSource
  #ledger = emptyLedger()
  #oracle = new PayoutOracle()
  /** What is durable: a snapshot and the writes since; what follows from it; and as the oracle has it. */
  #snapshot = toCanonical(emptyLedger())
  #lines: string[] = []
  readonly #follower = emptyLedger()
  readonly #durable = new PayoutOracle()
  /** Decided, and not durable yet. */
  #group: { command: LedgerCommand; events: LedgerEvent[] }[] = []
  /** Whose answers a death has swallowed: they are asked again. */
  #again: LedgerCommand[] = []

  constructor(random: Random) {
    this.#random = random
    this.#source = new CommandSource(forkRandom(random), (spoolId) => this.#ledger.spools.get(spoolId) ?? 1)
  }

  step(): void {
    this.operations++
    const { int } = this.#random
    this.#ask((int(4) === 0 ? this.#again.shift() : undefined) ?? this.#source.next())
    if (int(12) === 0) this.flush()
    if (int(250) === 0) this.#die()
    if (this.operations % CHECK_EVERY === 0) checkLedger(this.#ledger)
  }

  #ask(command: LedgerCommand): void {
    const decision = decideLedger(this.#ledger, command)
    const events = Array.isArray(decision) ? decision : []
    const outcome: Outcome = typeof decision === 'string' ? 'refused' : events.length > 0 ? 'done' : 'repeat'
    const expected = this.#oracle.apply(command)
    this.outcomes[outcome]++
    const said = typeof decision === 'string' ? decision : outcome
    assert(
      outcome === expected,
      `${this.operations}: ${command.kind} is ${said}, the oracle says ${expected}`,
    )
    for (const event of events) evolveLedger(this.#ledger, event)
    this.#compare(this.#ledger, this.#oracle)
    this.#group.push({ command, events })
  }

  /** One write: all of the group or nothing of it. */
  flush(): void {
    for (const { command, events } of this.#group) {
      for (const event of events) evolveLedger(this.#follower, readEvent(writeEvent(event)))
      this.#durable.apply(command)
      this.#compare(this.#follower, this.#durable)
    }
    this.#lines.push(this.#groupText())
    this.#group = []
    if (this.#lines.length < SNAPSHOT_EVERY_LINES) return
    this.#snapshot = toCanonical(this.#ledger)
    this.#lines = []
  }

  #groupText = (): string =>
    `${JSON.stringify(this.#group.flatMap(({ events }) => events.map(writeEvent)))}\n`

  #die(): void {
    this.crashes++
    const text = this.#groupText()
    const written = this.#random.int(text.length)
    const disk = this.#lines.join('') + text.slice(0, written)
    if (written > 0) this.tornWrites++
    this.#again = this.#group.map(({ command }) => command)
    this.#group = []
    this.#ledger = fromCanonical(this.#snapshot) as Ledger
    // What has no line end was never written whole.
    for (const line of disk.split('\n').slice(0, -1)) {
      for (const event of JSON.parse(line) as string[]) evolveLedger(this.#ledger, readEvent(event))
    }
    checkLedger(this.#ledger)
    assert(toCanonical(this.#ledger) === toCanonical(this.#follower), 'what was rebuilt is what was durable')
    this.#oracle = Object.assign(new PayoutOracle(), structuredClone(stateOf(this.#durable)))
    this.#compare(this.#ledger, this.#oracle)
  }

  #compare(ledger: Ledger, oracle: PayoutOracle): void {
    for (const { id, available, held } of ledger.accounts.values()) {
      assert(
        available === oracle.of(id),
        `${this.operations}: ${id} has ${available}, the oracle ${oracle.of(id)}`,
      )
      const heldThere = oracle.heldIn(id)
      assert(held === heldThere, `${this.operations}: ${id} holds ${held}, the oracle ${heldThere}`)
    }
  }
}

const forms = wireFormsByKind(LedgerEvent)
const formOf = (type: string) => forms.get(type) ?? null
const writeEvent = (event: LedgerEvent): string => JSON.stringify(formOf(event.type)?.toWire(event) ?? event)

/** As a journal is read back: text to event. */
function readEvent(text: string): LedgerEvent {
  const wire = JSON.parse(text) as { type: string }
  return (formOf(wire.type)?.fromWire(wire) ?? wire) as LedgerEvent
}

/** An oracle's data, without its functions. */
const stateOf = (oracle: PayoutOracle): object =>
  Object.fromEntries(Object.entries(oracle).filter(([, value]) => typeof value !== 'function'))
