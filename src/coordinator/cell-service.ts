/** The coordinator's side of the bus: parses what gateways say, takes the turn, answers once it is durable. */
import type { z } from 'zod'
import type { Bus, Clock, Log, Subscription } from '#host/host.ts'
import { AnswerReport, AnswerReportReply } from '#protocol/answer-audit.ts'
import {
  Follow,
  type FollowReply,
  FollowReply as FollowReplySchema,
  PresenceReply,
  PresenceReport,
  RenewReply,
  ReportNode,
  ReturnReply,
  SliceList,
  subjects,
  TakeSlice,
  TakeSliceReply,
  UsageBatch,
  UsageReply,
} from '#protocol/cell.ts'
import { HealthNews } from '#protocol/node-health.ts'
import { quickReader } from '#protocol/quick-reader.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import { hearAnswers } from './answers/hear-answers.ts'
import { applyUsage, budgetUses, requestsOfUnknown } from './apply-usage.ts'
import type { Coordinator } from './coordinator.ts'
import type { Feed } from './feed.ts'
import type { Gateways } from './gateways.ts'
import type { ModelFleet } from './model-fleet.ts'
import type { ReputationDesk } from './reputation/reputation-desk.ts'
import { renewSlices, returnSlices, SLICE_TTL_MS, takeSlice } from './take-slice.ts'
import type { Turn } from './turn.ts'

export interface CellServiceParts {
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
  readonly coordinator: Coordinator
  readonly gateways: Gateways
  readonly feed: Feed
  readonly models: ModelFleet
  readonly reputation: Pick<ReputationDesk, 'hear'>
  readonly feeBps: number
  /** Answers are looked at, and pay stands in for those that are not. */
  readonly auditsAnswers: boolean
}

const healthNews = quickReader(HealthNews)
const nodeReport = quickReader(ReportNode)

/** Serves the cell's gateways until `close`. Messages that do not parse are logged and left unanswered. */
export function serveCell(parts: CellServiceParts): Subscription {
  const { bus, clock, log, coordinator, gateways, feed, models, feeBps, auditsAnswers } = parts
  const open: Subscription[] = []

  function serve<In, Out>(
    subject: string,
    schemas: { input: z.ZodType<In>; output: z.ZodType<Out> },
    useCase: (turn: Turn, input: In) => Out,
  ): void {
    const write = jsonWriter(schemas.output)
    const input = quickReader(schemas.input)
    open.push(
      bus.serve(subject, (message, reply) => {
        const parsed = input.safeParse(parseJson(message))
        if (!parsed.success) {
          log.error('bus.message_malformed', { subject, message: parsed.error.message })
          return
        }
        coordinator.execute(
          (turn) => useCase(turn, parsed.data),
          (result) => reply(write(result)),
        )
      }),
    )
  }

  const { epoch } = coordinator.journal
  serve(subjects.follow, { input: Follow, output: FollowReplySchema }, (turn, input): FollowReply => {
    const wantsPresence = gateways.heard(input.gatewayId, clock.elapsedMs(), input.heardAgoMs)
    models.heard(turn, input)
    const loading = models.cold()
    return {
      ...feed.since(input),
      wantsPresence,
      gateways: gateways.count(clock.elapsedMs()),
      ...(loading.length > 0 && { loading: [...loading] }),
    }
  })
  serve(subjects.presence, { input: PresenceReport, output: PresenceReply }, (turn, input) =>
    gateways.report(turn, input, epoch),
  )
  serve(subjects.takeSlice, { input: TakeSlice, output: TakeSliceReply }, takeSlice)
  serve(subjects.renewSlices, { input: SliceList, output: RenewReply }, (turn, input) => ({
    renewed: renewSlices(turn, input),
    ttlMs: SLICE_TTL_MS,
  }))
  serve(subjects.returnSlices, { input: SliceList, output: ReturnReply }, (turn, input) => ({
    returned: returnSlices(turn, input),
  }))
  serve(subjects.usage, { input: UsageBatch, output: UsageReply }, (turn, input) => {
    const nextSequence = applyUsage(turn, input, { feeBps, holdsPay: auditsAnswers })
    const requestIds = requestsOfUnknown(turn, input)
    if (requestIds.length > 0) {
      const { spoolId } = input
      log.warn('usage.of_unknown', { spoolId, count: requestIds.length, requestIds: requestIds.join(' ') })
    }
    return { nextSequence, ...budgetUses(turn, input) }
  })
  open.push(
    bus.subscribe(subjects.health, (message) => {
      const parsed = healthNews.safeParse(parseJson(message))
      if (!parsed.success) return log.error('bus.message_malformed', { subject: subjects.health })
      coordinator.execute(
        (turn) => {
          for (const told of parsed.data.told) parts.reputation.hear(turn, told)
        },
        () => {},
      )
    }),
  )
  serve(subjects.answers, { input: AnswerReport, output: AnswerReportReply }, hearAnswers)
  open.push(
    bus.subscribe(subjects.report, (message) => {
      const parsed = nodeReport.safeParse(parseJson(message))
      if (!parsed.success) return log.error('bus.message_malformed', { subject: subjects.report })
      const report = parsed.data
      coordinator.execute(
        (turn) => turn.fleet({ kind: 'report', ...report, nowMs: turn.nowMs }),
        () => {},
      )
    }),
  )
  return {
    close() {
      for (const subscription of open) subscription.close()
    },
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // The schema refuses it, with a message that says what was expected.
  }
}
