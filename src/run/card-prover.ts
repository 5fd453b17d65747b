/**
 * Proves the cards of this machine: by CUDA where its compiler is, else by OpenCL where a C compiler and its library are. A
 * machine with neither proves its processor alone, and says so.
 */
import type { KeptProof, ProofFailure, ProofSolver } from '#agent/hardware/proof-solver.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import type { Gpu } from '#protocol/capability.ts'
import type { OpenedRow, ProofBegin, ProvableDevice } from '#protocol/hardware-proof.ts'
import { Problem } from '#protocol/problem.ts'
import type { KernelKind } from '#verify/hardware/kernel-source.ts'
import { nextSeed, seedWords, sourceRow } from '#verify/hardware/product.ts'
import { type CardHelper, compileHelper, startHelper } from './card-helper.ts'
import type { OpenClDevices } from './card-helper-source.ts'

export interface CardProver extends ProofSolver {
  close(): void
}

interface Card {
  readonly device: ProvableDevice
  /** As its program counts. */
  readonly index: number
}

/** `c`: no card at all, for tests. */
type CardKind = KernelKind

/** Null where nothing here can prove any of these cards; `onNote` is told why, for the owner. */
export async function openCardProver(
  gpus: readonly Gpu[],
  options: {
    readonly folder: string
    readonly onNote: (text: string) => void
    /** In which order; for tests others than cards, too. */
    readonly kinds?: readonly CardKind[]
    readonly devices?: OpenClDevices
  },
): Promise<CardProver | null> {
  const { kinds = ['cuda', 'opencl'], onNote } = options
  const reasons: string[] = []
  for (const kind of kinds) {
    try {
      const program = await compileHelper(kind, options)
      const helper = startHelper(program)
      const cards = cardsOf(gpus, kind, await helper.ask('list', (line) => line === 'end'))
      helper.close()
      if (cards.length > 0) return createCardProver(program, cards)
      reasons.push(`${kind}: it sees none of these cards`)
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      reasons.push(`${kind}: ${error.message}`)
    }
  }
  onNote(`its cards cannot be proven here, only its processor (${reasons.join('; ')})`)
  return null
}

/** Cards that both the driver and the program name: by their ids, or else by name, in their order. */
function cardsOf(gpus: readonly Gpu[], kind: CardKind, lines: readonly string[]): Card[] {
  const seen = lines.flatMap((line) => {
    const match = /^device (\d+) (\S+) (\d+) (.*)$/.exec(line)
    return match
      ? { index: Number(match[1]), uuid: match[2] ?? '-', name: match[4] ?? '', isTaken: false }
      : []
  })
  return gpus.flatMap((gpu): Card[] => {
    const found =
      seen.find(({ uuid, isTaken }) => !isTaken && uuid.toLowerCase() === gpu.uuid.toLowerCase()) ??
      seen.find(({ uuid, name, isTaken }) => !isTaken && uuid === '-' && areAlike(name, gpu.name))
    if (!found) return []
    found.isTaken = true
    const { uuid: deviceId, name, vramMib: memoryMib } = gpu
    return [
      {
        device: { deviceId, kind: kind === 'cuda' ? 'cuda' : 'opencl', name, memoryMib },
        index: found.index,
      },
    ]
  })
}

const areAlike = (a: string, b: string): boolean =>
  a.toLowerCase().includes(b.toLowerCase()) || b.toLowerCase().includes(a.toLowerCase())

/** A program for each card, so that all of them can be asked at the same time; it ends with its proof. */
function createCardProver(program: string, cards: readonly Card[]): CardProver {
  const open = new Set<CardHelper>()
  return {
    devices: cards.map(({ device }) => device),
    solve(task, done) {
      const card = cards.find(({ device }) => device.deviceId === task.deviceId)
      if (!card) return done({ reason: 'device_unknown', message: `There is no card ${task.deviceId} here.` })
      const helper = startHelper(program)
      open.add(helper)
      const end = (): void => {
        open.delete(helper)
        helper.close()
      }
      solve(helper, card, task).then(
        (solved) => done(proofOf(helper, { task, ...solved, end })),
        (error: unknown) => {
          end()
          done(failureOf(error))
        },
      )
    },
    close() {
      for (const helper of open) helper.close()
    },
  }
}

type Solved = { readonly roots: string[]; readonly seeds: Uint8Array[] }

async function solve(helper: CardHelper, { index }: Card, { seed, size }: ProofBegin): Promise<Solved> {
  const { rows, width, rounds } = size
  const [begun] = await helper.ask(`begin ${index} ${rows} ${width} ${rounds}`)
  if (begun !== 'ok') throw new MemoryShort()
  const roots: string[] = []
  const seeds: Uint8Array[] = []
  let roundSeed: Uint8Array = Buffer.from(seed, 'hex')
  for (let round = 0; round < rounds; round++) {
    seeds.push(roundSeed)
    const words = [...seedWords(roundSeed)].slice(0, 6).map((word) => word.toString(16))
    const [answer = ''] = await helper.ask(`round ${round} ${words.join(' ')}`)
    const root = /^root ([0-9a-f]{64})$/.exec(answer)?.[1]
    // OpenCL takes memory only when it is used: what it was promised may not be there.
    if (answer === 'error round') throw new MemoryShort()
    if (root === undefined) throw new Problem('engine_failed', `The card answered "${answer.slice(0, 60)}".`)
    roots.push(root)
    roundSeed = nextSeed((data) => nodeCrypto.sha256(data), roundSeed, Buffer.from(root, 'hex'))
  }
  return { roots, seeds }
}

function proofOf(helper: CardHelper, parts: Solved & { task: ProofBegin; end: () => void }): KeptProof {
  const { roots, seeds, task, end } = parts
  const { size } = task

  async function chainOf(last: number): Promise<OpenedRow[]> {
    const chain: OpenedRow[] = []
    let row = last
    for (let round = size.rounds - 1; round >= 0; round--) {
      const [answer = ''] = await helper.ask(`row ${round} ${row}`)
      const [word, bytes = '', ...path] = answer.split(' ')
      if (word !== 'row') throw new Problem('engine_failed', `The card answered "${answer.slice(0, 60)}".`)
      chain.push({ row, bytes: Buffer.from(bytes, 'hex').toString('base64'), path })
      row = sourceRow(seedWords(seeds[round] ?? new Uint8Array(32)), row, size)
    }
    return chain
  }

  async function chainsOf(rows: readonly number[]): Promise<OpenedRow[][]> {
    const chains: OpenedRow[][] = []
    for (const row of rows) chains.push(await chainOf(row))
    return chains
  }

  return {
    roots,
    open: (rows, done) => void chainsOf(rows).then(done, (error: unknown) => done(failureOf(error))),
    drop: end,
  }
}

class MemoryShort extends Error {}

const failureOf = (error: unknown): ProofFailure =>
  error instanceof MemoryShort
    ? { reason: 'memory_short', message: 'The card has not as much memory free as the proof takes.' }
    : { reason: 'prover_failed', message: error instanceof Error ? error.message : String(error) }

/** One solver for a processor and cards. */
export const bothProvers = (processor: ProofSolver, cards: ProofSolver | null): ProofSolver => ({
  devices: [...processor.devices, ...(cards?.devices ?? [])],
  solve(task, done) {
    const isCard = cards?.devices.some(({ deviceId }) => deviceId === task.deviceId)
    return cards && isCard ? cards.solve(task, done) : processor.solve(task, done)
  },
})
