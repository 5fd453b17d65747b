/** Tells the coordinator what came of audits: one report at a time, each until it was answered. */
import type { Bus, Clock, Log } from '#host/host.ts'
import { type AnswerNews, AnswerReport, AnswerReportReply } from '#protocol/answer-audit.ts'
import { subjects } from '#protocol/cell.ts'
import { callCell, cellCall } from '../cell-calls.ts'

export interface AuditReporter {
  tell(news: AnswerNews): void
  close(): void
}

const reportCall = cellCall(subjects.answers, AnswerReport, AnswerReportReply)
/** News that waits beyond this, while the coordinator is away, is lost: it is evidence, and no money. */
const WAITING_MAX = 1_000
const BATCH_MAX = 64
const GATHER_MS = 200
const RETRY_MS = 1_000

export function createAuditReporter(
  { bus, clock, log }: { bus: Bus; clock: Clock; log: Log },
  of: { gatewayId: string; start: string },
): AuditReporter {
  const waiting: AnswerNews[] = []
  let report: AnswerReport | null = null
  let sequence = 0
  let isDue = false
  let isClosed = false

  function send(): void {
    if (isClosed) return
    if (!report) {
      if (waiting.length === 0) return
      report = { ...of, sequence: ++sequence, news: waiting.splice(0, BATCH_MAX) }
    }
    callCell({ bus, log }, reportCall, report, (reply) => {
      if (isClosed) return
      if (!reply) return void clock.after(RETRY_MS, send)
      report = null
      soon()
    })
  }

  function soon(): void {
    if (isDue || report || waiting.length === 0) return
    isDue = true
    clock.after(GATHER_MS, () => {
      isDue = false
      send()
    })
  }

  return {
    tell(news) {
      if (waiting.length >= WAITING_MAX) return
      waiting.push(news)
      soon()
    },
    close() {
      isClosed = true
    },
  }
}
