/**
 * What agents said is recorded on its way and said again, by others, on new connections, again and again; and commands come twice. Nothing
 * of it may count.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { startChaosFleet } from '../../test/chaos/chaos-fleet.ts'
import { type Network, openRig, startNetwork } from '../../test/e2e/rig.ts'
import { founderAccount } from '../../test/e2e/takeover-load.ts'
import { eventsOf } from './journal-events.ts'
import { proveRun } from './prove-run.ts'
import { type Answered, countChanged, countNotOnce, judgeAnswers, readAnswers } from './replayed.ts'
import { none, type ScenarioOptions, type ScenarioResult, tell } from './scenario.ts'
import { startSteady } from './steady-load.ts'

const AGENTS = 3
const DEPOSITS = 200
const AMOUNT = 1_000_000n
const TOKENS = 64
/** What is answered at the door is far shorter. */
const HEARD_BYTES_MAX = 262_144

/** All that one connection of an agent carried to the network. */
type Recording = Buffer[]

export async function replay({ seed, isQuick }: ScenarioOptions): Promise<ScenarioResult> {
  const piecesMin = isQuick ? 5_000 : 100_000
  const rig = openRig()
  try {
    const network = await startNetwork(rig, rig.path('data'), ['--no-agent'])
    const recordings = new Map<string, Recording>()
    const onPiece = (index: number, direction: string, piece: Buffer, connection: number): void => {
      if (direction === 'down') return
      const name = `agent ${index}, connection ${connection}`
      const recording = recordings.get(name) ?? []
      recordings.set(name, recording)
      recording.push(Buffer.from(piece))
    }
    const fleet = await startChaosFleet({ rig, network, count: AGENTS, seed, onPiece })
    const { openaiBaseUrl: baseUrl, apiKey } = network.ready
    const load = startSteady({ baseUrl, apiKey, model: 'tiny', perSecond: 10, tokens: TOKENS, seed })
    await sleep(isQuick ? 5_000 : 20_000)
    const results = await load.stop()
    const { usage: before, checks } = await proveRun({ rig, network, results, tokens: TOKENS })
    const nodesBefore = await nodesOf(network)
    const startedAtMs = Date.now()

    const port = Number(new URL(network.ready.apiUrl).port)
    let replayed = 0
    const answers: Answered[] = []
    const kept = [...recordings.values()].map((recording) => [...recording])
    for (let turn = 0; replayed < piecesMin; turn++) {
      const recording = kept[turn % kept.length] ?? []
      answers.push(await playTo(port, recording))
      replayed += recording.length
    }
    tell(`${replayed} pieces replayed`)
    const accountId = await founderAccount(network)
    const ids = await depositTwice(network, accountId)
    const { usage: after, books } = await proveRun({ rig, network, results, tokens: null })
    const statement = books.statements.get(accountId) ?? []
    const more = (await nodesOf(network)) - nodesBefore
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
        replayedConnections: answers.length,
        connectionsAsked: answers.filter(({ isAsked }) => isAsked).length,
        greetingsReplayed: answers.filter(({ isRefused }) => isRefused).length,
        depositsTwice: DEPOSITS,
      },
      checks: [
        ...judgeAnswers(answers),
        none('readings that a replay added or changed', countChanged(before, after)),
        none('deposits that counted twice, or not at all', countNotOnce(statement, { ids, amount: AMOUNT })),
        none('nodes that a replay disturbed, or added', disturbed.length + (AGENTS - ready) + Math.abs(more)),
        ...checks,
      ],
    }
  } finally {
    await rig.dispose()
  }
}

/** Says it all again, on a connection of its own. */
async function playTo(port: number, recording: Recording): Promise<Answered> {
  const socket = connect(port, '127.0.0.1')
  let heard = Buffer.alloc(0)
  socket.on('error', () => undefined)
  socket.on('data', (piece) => {
    if (heard.length < HEARD_BYTES_MAX) heard = Buffer.concat([heard, piece])
  })
  const closed = once(socket, 'close')
  for (const piece of recording) if (!socket.destroyed) socket.write(piece)
  socket.end()
  const timer = setTimeout(() => socket.destroy(), 3_000)
  await closed.catch(() => undefined)
  clearTimeout(timer)
  return readAnswers(heard)
}

const nodesOf = async ({ operator }: Network): Promise<number> =>
  (await operator.listNodes({ query: { limit: 100 } })).items.length

/** Each deposit under the same id two times at once; answers the ids. */
async function depositTwice({ operator }: Network, accountId: string): Promise<string[]> {
  const ids = Array.from({ length: DEPOSITS }, (_, index) => `twice-${index}`)
  for (const transferId of ids) {
    const body = { transferId, createdAtMs: Date.now(), amount: AMOUNT, memo: '', isTest: true }
    const params = { accountId }
    await Promise.all([
      operator.depositToAccount({ params, body }),
      operator.depositToAccount({ params, body }),
    ])
  }
  return ids
}
