/**
 * What agents said is recorded on its way and said again, by others, on new connections, again and again; and commands come twice. Nothing
 * of it may count.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { startChaosFleet } from '../../test/chaos/chaos-fleet.ts'
import { proveBooks, settle } from '../../test/e2e/books.ts'
import { type Network, openRig, startNetwork } from '../../test/e2e/rig.ts'
import { balanceOf, founderAccount } from '../../test/e2e/takeover-load.ts'
import { eventsOf } from './journal-events.ts'
import { none, type ScenarioOptions, type ScenarioResult, tell } from './scenario.ts'
import { startSteady } from './steady-load.ts'

const AGENTS = 3
const DEPOSITS = 200

/** All that one connection of an agent carried to the network. */
type Recording = Buffer[]

export async function replay({ seed, isQuick }: ScenarioOptions): Promise<ScenarioResult> {
  const piecesMin = isQuick ? 5_000 : 100_000
  const rig = openRig()
  try {
    const network = await startNetwork(rig, rig.path('data'), ['--no-agent'])
    const recordings = new Map<number, Recording>()
    const onPiece = (index: number, direction: string, piece: Buffer): void => {
      if (direction === 'down') return
      const recording = recordings.get(index) ?? []
      recordings.set(index, recording)
      recording.push(Buffer.from(piece))
    }
    const fleet = await startChaosFleet({ rig, network, count: AGENTS, seed, onPiece })
    const { openaiBaseUrl: baseUrl, apiKey } = network.ready
    const load = startSteady({ baseUrl, apiKey, model: 'tiny', perSecond: 10, tokens: 64, seed })
    await sleep(isQuick ? 5_000 : 20_000)
    const results = await load.stop()
    const well = results.filter(({ error }) => error === null)
    const before = await settle(network, well.length)
    const startedAtMs = Date.now()

    const port = Number(new URL(network.ready.apiUrl).port)
    let replayed = 0
    let admitted = 0
    const kept = [...recordings.values()].map((recording) => [...recording])
    for (let turn = 0; replayed < piecesMin; turn++) {
      const recording = kept[turn % kept.length] ?? []
      admitted += await playTo(port, recording)
      replayed += recording.length
    }
    tell(`${replayed} pieces replayed`)
    const twice = await depositTwice(network)
    const after = await settle(network, well.length)
    await proveBooks(network.operator, after)
    const ready = await fleet.ready()
    const endedAtMs = Date.now()
    await fleet.close()
    const events = await eventsOf(rig, network)
    const disturbed = events.filter(
      ({ type, atMs = 0 }) =>
        /^fleet\.node_(suspect|lost|online)$/.test(type) && atMs > startedAtMs && atMs < endedAtMs,
    )
    return {
      figures: {
        recordedPieces: kept.map(({ length }) => length),
        replayedPieces: replayed,
        depositsTwice: DEPOSITS,
      },
      checks: [
        none('replayed connections that were admitted', admitted),
        none('readings that a replay added or changed', Math.abs(after.length - before.length)),
        none('deposits that counted twice, or not at all', twice),
        none('nodes that a replay disturbed', disturbed.length + (AGENTS - ready)),
      ],
    }
  } finally {
    await rig.dispose()
  }
}

/** Says it all again; 1 when the network admitted whoever said it. */
async function playTo(port: number, recording: Recording): Promise<number> {
  const socket = connect(port, '127.0.0.1')
  let heard = Buffer.alloc(0)
  socket.on('error', () => undefined)
  socket.on('data', (piece) => {
    heard = Buffer.concat([heard, piece]).subarray(-65_536)
  })
  const closed = once(socket, 'close')
  for (const piece of recording) if (!socket.destroyed) socket.write(piece)
  socket.end()
  const timer = setTimeout(() => socket.destroy(), 3_000)
  await closed.catch(() => undefined)
  clearTimeout(timer)
  // An agent that is let in is told by which gateway, and one that is not for which reason.
  return heard.includes('"gatewayId"') && !heard.includes('"nonce"') ? 1 : 0
}

/** Each deposit under the same id two times at once: how many did not count exactly once. */
async function depositTwice(network: Network): Promise<number> {
  const accountId = await founderAccount(network)
  const before = await balanceOf(network, accountId)
  for (let index = 0; index < DEPOSITS; index++) {
    const body = {
      transferId: `twice-${index}`,
      createdAtMs: Date.now(),
      amount: 1_000_000n,
      memo: '',
      isTest: true,
    }
    const params = { accountId }
    await Promise.all([
      network.operator.depositToAccount({ params, body }),
      network.operator.depositToAccount({ params, body }),
    ])
  }
  const gained = (await balanceOf(network, accountId)) - before
  return Math.abs(DEPOSITS - Number(gained / 1_000_000n))
}
