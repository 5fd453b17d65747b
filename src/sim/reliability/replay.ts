/**
 * Everything twice: each message between coordinator and gateways comes a second time at once, and a third time one to two
 * hours later, out of order; and somebody who wrote down what nodes said to gateways says it again, word by word.
 */
import { toCanonical } from '#kernel/canonical.ts'
import { createRandom, forkRandom } from '#kernel/random.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { decodeFrames, FrameType } from '#protocol/frame.ts'
import { SimProcess } from '../sim-process.ts'
import { MODELS, type SimWorld } from '../sim-world.ts'
import { openRig, type Rig } from './rig.ts'
import { type Scenario, shareFigures } from './scenario.ts'
import { finishStreams, hasSucceeded, startStreams } from './stream-load.ts'

const NODES = 20
const LOAD_MS = { full: 20 * MINUTE_MS, quick: 3 * MINUTE_MS }
const REPLAY_AFTER_MS = HOUR_MS
/** Of what nodes said, so much is said again. */
const TAPED_MAX = { full: 100_000, quick: 10_000 }
const WATCH_MS = MINUTE_MS

export const replay: Scenario = async ({ seed, isQuick }) => {
  const random = createRandom(seed)
  const rig = await openRig(forkRandom(random), {
    plan: { nodes: NODES, gateways: 2, clients: 10, busDuplicatePer10k: 10_000, busDelayMsMax: 200 },
    world: { agentOf: () => ({ models: [MODELS[0]] }) },
  })
  const { world } = rig
  const { scheduler, network } = world
  const tape = startTape(world, isQuick ? TAPED_MAX.quick : TAPED_MAX.full)
  // So that greetings are on the tape.
  for (const { process } of world.agents.slice(0, NODES / 2)) network.cut(process, 20 * SECOND_MS)
  world.bus.faults.replayAfterMs = REPLAY_AFTER_MS
  const load = startStreams(
    rig,
    {
      rateAt: () => 3,
      durationMs: isQuick ? LOAD_MS.quick : LOAD_MS.full,
      answer: { median: 80, sigma: 0.5, max: 200 },
      prompt: { median: 40, sigma: 0.3, max: 100 },
    },
    forkRandom(random),
  )
  await finishStreams(rig, load)
  tape.stop()
  // What comes from here on is not repeated: all that still comes is old.
  delete world.bus.faults.replayAfterMs
  await settle(rig)
  const before = moneyOf(world)
  const heard = await sayAgain(rig, tape.messages)
  await rig.runUntil(scheduler.nowMs() + 2 * REPLAY_AFTER_MS + MINUTE_MS)
  await settle(rig)
  const after = moneyOf(world)
  const summary = await rig.rest()
  const succeeded = load.calls.filter(hasSucceeded).length
  return {
    figures: {
      requests: load.calls.length,
      ...shareFigures('succeeded', succeeded, load.calls.length),
      busMessagesReplayed: world.bus.replayed,
      framesReplayed: tape.messages.length,
      greetingsReplayed: heard.greetings,
      admittedByReplay: heard.admitted,
      billed: summary.usageRecords,
      ledgerChangedByReplay: before !== after,
    },
    promises: {
      noExtraEffect: before === after && summary.usageRecords === rig.outcomes.size,
      replaysRejected: heard.admitted === 0,
      everythingWasReplayed: world.bus.replayed > 100 && heard.greetings > 0,
      succeeded999: succeeded / load.calls.length >= 0.999,
    },
  }
}

const settle = ({ runUntil, world }: Rig): Promise<void> => runUntil(world.scheduler.nowMs() + 5 * MINUTE_MS)

/** All that belongs to anybody, and all that was ever billed. */
function moneyOf({ coordinator, coordinatorDisk }: SimWorld): string {
  const accounts = [...(coordinator?.state.ledger.accounts.values() ?? [])]
  const billed = coordinatorDisk
    .durable('journal')
    .reduce((sum, { payload }) => sum + (payload.match(/"usage\.recorded"/g)?.length ?? 0), 0)
  return toCanonical({
    billed,
    accounts: accounts.map(({ id, available, held }) => ({ id, all: available + held })),
  })
}

/** Writes down what nodes say to gateways. */
function startTape({ network }: SimWorld, countMax: number) {
  const messages: Uint8Array[] = []
  network.onSaid = (_, message) => {
    if (messages.length < countMax && !isHeartbeat(message)) messages.push(message.slice())
  }
  return {
    messages,
    stop() {
      network.onSaid = null
    },
  }
}

const isHeartbeat = (message: Uint8Array): boolean => decodeFrames(message)[0]?.type === FrameType.heartbeat

/** Says each message on a connection of its own, in another order. */
async function sayAgain({ world, runUntil }: Rig, messages: readonly Uint8Array[]) {
  const heard = { greetings: 0, admitted: 0 }
  const thief = new SimProcess(world.scheduler, 'thief', 0)
  const port = world.network.port(thief)
  for (const [index, message] of messages.entries()) {
    const url = `ws://${world.gateways[index % world.gateways.length]?.address}/agent`
    if (decodeFrames(message)[0]?.type === FrameType.hello) heard.greetings++
    world.scheduler.after((index * 7_919) % WATCH_MS, () => {
      const link = port.connect(url, {
        onOpen: () => link.send(message.slice()),
        onMessage(answer) {
          if (decodeFrames(answer).some(({ type }) => type === FrameType.admit)) heard.admitted++
        },
        onClose: () => undefined,
      })
    })
  }
  await runUntil(world.scheduler.nowMs() + 2 * WATCH_MS)
  return heard
}
