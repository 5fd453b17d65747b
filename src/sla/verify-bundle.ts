/** Reads a bundle again, without the network: nothing changed, moved or left out, and the credit as it was posted. */
import { formatUsd } from '#kernel/money.ts'
import type { BundleHeader, BundleSeal, SlaFact } from '#protocol/sla-evidence.ts'
import { BundleLine, hashOfFact, NO_HASH, type Sha256, sealedText } from './bundle.ts'
import { type Credits, creditsOf, jobCreditOf } from './credits.ts'
import { maintenanceIn, NOTICE_MS_MIN } from './decide-sla.ts'
import { recount } from './facts.ts'
import type { MonthCount } from './sla.ts'
import { tiers } from './tiers.ts'

export interface BundleFault {
  /** Of the file, from 1; 0 where something is missing at its end. */
  readonly line: number
  readonly kind:
    | 'unreadable'
    | 'changed'
    | 'missing'
    | 'reordered'
    | 'repeated'
    | 'cut_off'
    | 'forged'
    | 'wrong'
  /** A sentence. */
  readonly message: string
}

export interface BundleVerdict {
  readonly faults: readonly BundleFault[]
  readonly facts: number
  readonly seal: BundleSeal | null
  /** Computed from the facts; `null` without a seal. */
  readonly recomputed: (Credits & { readonly count: MonthCount | null; readonly posted: bigint }) | null
}

export interface BundleChecks {
  readonly sha256: Sha256
  /** Whether `signature` over `text` is by this key; all in hex. */
  verify(networkKey: string, text: string, signature: string): boolean
  /** The network's key as it is known from elsewhere. */
  readonly networkKey?: string | undefined
}

/** Checks `text` line by line, then computes the month anew and compares. */
export function verifyBundle(text: string, checks: BundleChecks): BundleVerdict {
  const reader = new Reader(checks)
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  for (const [index, line] of lines.entries()) reader.read(line, index + 1)
  return reader.end()
}

class Reader {
  readonly #checks: BundleChecks
  readonly #faults: BundleFault[] = []
  readonly #facts: SlaFact[] = []
  readonly #seen = new Map<number, number>()
  #header: BundleHeader | null = null
  #seal: BundleSeal | null = null
  #sealLine = 0
  #head = NO_HASH
  #sequence = 0

  constructor(checks: BundleChecks) {
    this.#checks = checks
  }

  read(text: string, line: number): void {
    if (this.#seal) return this.#fault(line, 'changed', 'Something stands behind the seal.')
    const parsed = BundleLine.safeParse(parseJson(text))
    if (!parsed.success) return this.#fault(line, 'unreadable', 'This is no line of a bundle.')
    const { data } = parsed
    if ('header' in data) {
      if (line !== 1) this.#fault(line, 'reordered', 'The header is not the first line.')
      this.#header = data.header
    } else if ('seal' in data) {
      this.#readSeal(data.seal, data.signature, line)
    } else this.#readFact(data, line)
  }

  #readFact(data: Extract<BundleLine, { fact: SlaFact }>, line: number): void {
    const { sequence, previousHash, hash, fact } = data
    const expected = this.#sequence + 1
    const before = this.#seen.get(sequence)
    if (before !== undefined) {
      return this.#fault(line, 'repeated', `Fact ${sequence} stands in line ${before} already.`)
    }
    this.#seen.set(sequence, line)
    if (sequence < expected)
      this.#fault(line, 'reordered', `Fact ${sequence} comes after fact ${this.#sequence}.`)
    else if (sequence > expected) {
      this.#fault(line, 'missing', `Fact ${sequence} stands where fact ${expected} belongs.`)
    } else if (previousHash !== this.#head) {
      this.#fault(line, 'changed', `Fact ${sequence} does not follow from the one before.`)
    }
    if (hashOfFact({ sequence, previousHash, fact }, this.#checks.sha256) !== hash) {
      this.#fault(line, 'changed', `Fact ${sequence} is not what its hash is of.`)
    }
    this.#facts.push(fact)
    this.#sequence = Math.max(this.#sequence, sequence)
    this.#head = hash
  }

  #readSeal(seal: BundleSeal, signature: string, line: number): void {
    this.#seal = seal
    this.#sealLine = line
    const { networkKey, facts, head } = seal
    if (!this.#checks.verify(networkKey, sealedText(seal), signature)) {
      this.#fault(line, 'forged', 'The seal is not signed by the network that it names.')
    }
    const known = this.#checks.networkKey
    if (known !== undefined && known !== networkKey) {
      this.#fault(line, 'forged', `The seal is by the network ${networkKey}, not by ${known}.`)
    }
    if (facts !== this.#facts.length || head !== this.#head) {
      const found = `${this.#facts.length} ${this.#facts.length === 1 ? 'fact' : 'facts'}`
      this.#fault(line, 'missing', `The seal is of ${facts} with another end; ${found} are here.`)
    }
    const header = this.#header
    const names = ['version', 'networkKey', 'organisationId', 'slaClass', 'month'] as const
    if (!header || names.some((name) => header[name] !== seal[name])) {
      this.#fault(line, 'changed', 'The header is not that of the seal.')
    }
  }

  end(): BundleVerdict {
    const seal = this.#seal
    const facts = this.#facts.length
    if (!seal) {
      this.#fault(0, 'cut_off', 'The bundle ends without a seal: its end is missing.')
      return { faults: this.#faults, facts, seal, recomputed: null }
    }
    const recomputed = recompute(seal, this.#facts)
    for (const message of differences(seal, recomputed)) this.#fault(this.#sealLine, 'wrong', message)
    return { faults: this.#faults, facts, seal, recomputed }
  }

  #fault(line: number, kind: BundleFault['kind'], message: string): void {
    this.#faults.push({ line, kind, message })
  }
}

type Recomputed = NonNullable<BundleVerdict['recomputed']>

function recompute(seal: BundleSeal, facts: readonly SlaFact[]): Recomputed {
  const { month, slaClass, maintenance, outages, statement } = seal
  const count = recount(seal, facts)
  const bins = [...(count?.bins.values() ?? [])]
  const credits = creditsOf({ month, bins, maintenance, outages }, count?.charges ?? 0n, tiers[slaClass])
  const jobs = statement?.jobs ?? []
  const posted = jobs.reduce(
    (sum, { jobId, facts: told }) => sum + jobCreditOf(jobId, told).credit,
    credits.credit,
  )
  return { ...credits, count, posted }
}

/** What of the statement is not as computed, a sentence each. */
function differences(seal: BundleSeal, recomputed: Recomputed): string[] {
  const { statement, maintenance, month } = seal
  const found: string[] = []
  for (const { fromMs, announcedAtMs } of maintenance) {
    if (announcedAtMs > fromMs - NOTICE_MS_MIN)
      found.push(`Maintenance at ${fromMs} was not announced a day ahead.`)
  }
  const { bins, binsMax } = maintenanceIn(maintenance, month)
  if (bins > binsMax)
    found.push(`Maintenance leaves out ${bins} bins of five minutes; ${binsMax} are allowed.`)
  if (!statement) return found
  const { count } = recomputed
  const compare = (what: string, stated: number | bigint, computed: number | bigint): void => {
    if (stated === computed) return
    const shown = (value: number | bigint) =>
      typeof value === 'bigint' ? `$${formatUsd(value)}` : `${value}`
    found.push(`The statement says ${what} ${shown(stated)}; the facts say ${shown(computed)}.`)
  }
  compare('valid requests', statement.valid, count?.valid ?? 0)
  compare('errors', statement.errors, count?.errors ?? 0)
  compare('given up', statement.aborted, count?.aborted ?? 0)
  compare('charges', statement.charges, count?.charges ?? 0n)
  compare('uptime (ppb)', statement.uptimePpb, recomputed.uptimePpb)
  compare('credit (bps)', statement.creditBps, recomputed.creditBps)
  compare('credit', statement.credit, recomputed.credit)
  compare('posted', statement.posted, recomputed.posted)
  return found
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // The schema says what was expected.
  }
}
