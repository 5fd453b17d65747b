/** For tests: a floor whose results are looked at, with nodes of several owners, and files that are what they are called. */
import { assert } from '#kernel/assert.ts'
import { subjects } from '#protocol/cell.ts'
import type { OutputFile } from '#protocol/task.ts'
import { CheckOutputs, CompareCrops, type CropsCompared, type OutputsChecked } from '#protocol/work-check.ts'
import { type TaskGrant, type WorkOrder, WorkOrders, workOrdersTo } from '#protocol/work-link.ts'
import type { JobPlan } from '#work/work-events.ts'
import { enrolNode } from '../enrol-node.ts'
import { openOrganisation } from '../open-organisation.ts'
import type { Turn } from '../turn.ts'
import {
  createInspection,
  type FullInspection,
  type InspectionParts,
  type RejectRefusal,
} from './inspection.ts'
import { GATEWAY, planOf, stepOf, TestFloor } from './test-floor.ts'

/** What a file shows: the first digits of its hash. Equal ones look alike, whoever rendered them. */
export const fileOf = (shows: string, name = 'frame.png'): OutputFile => ({
  name,
  bytes: 10,
  sha256: shows.padEnd(64, '0'),
})

export interface Keeper {
  /** By what a file shows. */
  readonly faults: Map<string, string>
  readonly doubts: Map<string, string>
  /** How long it takes to look. */
  readonly slowMs: Map<string, number>
  isAway: boolean
  asked: number
}

export interface Inspected {
  readonly floor: TestFloor
  readonly keeper: Keeper
  /** What each node was given and has not worked off. */
  readonly given: ReadonlyMap<string, TaskGrant[]>
  /** Its customer says that a result is wrong; answers why that is refused. */
  reject(task?: number): Promise<RejectRefusal | null>
}

export async function openInspected(
  part: Pick<InspectionParts, 'isReferenceCalled'> = {},
): Promise<Inspected> {
  let inspection: FullInspection | undefined
  const floor = await TestFloor.open({
    inspect: (host) => (coordinator, desk) => {
      inspection = createInspection({ ...host, coordinator, desk, ...part })
      return inspection
    },
  })
  const keeper: Keeper = { faults: new Map(), doubts: new Map(), slowMs: new Map(), isAway: false, asked: 0 }
  const shown = (file: OutputFile | string | undefined): string =>
    (typeof file === 'string' ? file : (file?.sha256 ?? '')).replace(/0+$/, '')
  floor.bus.serve(subjects.checkOutputs, (message, reply) => {
    if (keeper.isAway) return
    keeper.asked++
    const { outputs } = CheckOutputs.parse(JSON.parse(message))
    const shows = shown(outputs[0])
    const [fault, doubt] = [keeper.faults.get(shows), keeper.doubts.get(shows)]
    const seen: OutputsChecked = {
      faults: fault === undefined ? [] : [fault],
      doubts: doubt === undefined ? [] : [doubt],
      fingerprint: shows,
      ...{ width: 64, height: 64, crops: '0,0,15,15' },
    }
    floor.world.scheduler.after(keeper.slowMs.get(shows) ?? 0, () => reply(JSON.stringify(seen)))
  })
  floor.bus.serve(subjects.compareCrops, (message, reply) => {
    if (keeper.isAway) return
    const { picture, rendered, isWhole, before } = CompareCrops.parse(JSON.parse(message))
    const kind = isWhole ? /^[a-f]+/ : /^[a-e]+/
    const part = (text: string): string => kind.exec(text)?.[0] ?? ''
    const [again, earlier] = [shown(rendered[0]), shown(before?.rendered[0])]
    const verdict = part(again) === part(shown(picture)) ? 'same' : 'different'
    const agrees = before ? part(again) === part(earlier) : null
    const compared: CropsCompared = { verdict, detail: '', agrees }
    reply(JSON.stringify(compared))
  })
  const reject = (task = 0): Promise<RejectRefusal | null> =>
    floor.world.settle(
      new Promise((resolve) =>
        floor.service.coordinator.execute((turn) => {
          assert(inspection, 'somebody inspects')
          return inspection.reject(turn, { jobId: 'job_1', step: 0, task }, 'too dark')
        }, resolve),
      ),
    )
  return { floor, keeper, given: followGrants(floor), reject }
}

function followGrants(floor: TestFloor): ReadonlyMap<string, TaskGrant[]> {
  const given = new Map<string, TaskGrant[]>()
  floor.bus.subscribe(workOrdersTo(GATEWAY), (message) => {
    for (const { nodeId, order } of WorkOrders.parse(JSON.parse(message)).orders) {
      const held = given.get(nodeId) ?? []
      if (order.kind === 'grant') given.set(nodeId, [...held, order])
      if (order.kind === 'cancel')
        given.set(
          nodeId,
          held.filter(({ fence }) => fence !== order.fence),
        )
    }
  })
  return given
}

/** More nodes, each of an organisation of its own that is called as `org_` and the node. */
export async function enrol(
  floor: TestFloor,
  nodes: readonly string[],
  organisationOf = (nodeId: string) => `org_${nodeId}`,
) {
  floor.service.coordinator.execute((turn: Turn) => {
    const { nowMs } = turn
    for (const nodeId of nodes) {
      const organisationId = organisationOf(nodeId)
      openOrganisation(turn, { organisationId, name: organisationId.slice(0, 30) })
      const tokenHash = `token of ${nodeId}`
      turn.fleet({ kind: 'issue_token', tokenHash, organisationId, expiresAtMs: nowMs + 60_000, nowMs })
      enrolNode(turn, { nodeId, publicKey: `key ${nodeId}`, name: nodeId, tokenHash, askPerGpuHour: 1n })
    }
  })
  await floor.world.run(50)
  await floor.present(['a', 'b', ...nodes])
}

/** A verified job of frames. */
export const verifiedPlan = (frames = 4, part: Partial<JobPlan> = {}): JobPlan =>
  planOf({
    isVerified: true,
    steps: [
      stepOf({
        digest: `render ${part.jobId}`,
        tasks: Array.from({ length: frames }, (_, place) => ({
          params: { do: 'frame', frame: place + 1 },
          referenceMs: 1_000,
          referenceMsP90: 1_300,
        })),
      }),
    ],
    ...part,
  })

/** The node says it is done with `grant`, and that it made a file which shows this. Answers what it is told. */
export async function deliver(
  floor: TestFloor,
  nodeId: string,
  grant: TaskGrant,
  shows: string,
): Promise<WorkOrder[]> {
  const { fence } = grant
  // A task takes its time, and who says otherwise is doubted.
  await floor.world.run(900)
  const first = await floor.say(nodeId, { kind: 'commit', fence, outputs: [fileOf(shows)], wallMs: 1_000 })
  return [...first, ...(await floor.say(nodeId, { kind: 'deliver', fence }))]
}

/** Works off what the nodes are given, one task of each a round: what a node shows for it is what `shows` says. */
export async function work(
  { floor, given }: Inspected,
  nodes: readonly string[],
  shows: (nodeId: string, grant: TaskGrant) => string,
  rounds: number,
  pauseMs = 0,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await floor.world.run(pauseMs)
    for (const nodeId of nodes) {
      const held = given.get(nodeId) ?? []
      await floor.beat(
        nodeId,
        held.map(({ fence }) => fence),
      )
      const grant = given.get(nodeId)?.shift()
      if (grant) await deliver(floor, nodeId, grant, shows(nodeId, grant))
    }
  }
}

/** What an honest node shows for a task, or a part of it. */
export const truth = ({ params }: TaskGrant): string => `a${'bcde'[Number(params['frame']) % 4]}`
