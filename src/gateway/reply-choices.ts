/**
 * One reply made of several answers: each of a request's choices is a run of its own, and what they tell is one
 * writer's. The first that fails ends the reply; what the others do then concerns nobody.
 */
import type { DeltaDetail } from '#protocol/delta-detail.ts'
import type { Problem } from '#protocol/problem.ts'
import type { RunResult, RunSink } from './run-request.ts'

/** Writes a reply in some API's shape. After `finish`, `problem` or `cut` nothing more comes. */
export interface ReplyWriter {
  /** A node that answers, before its first piece. */
  node(nodeId: string): void
  piece(choice: number, text: string, detail?: DeltaDetail): void
  embedding(vectors: readonly (readonly number[])[]): void
  /** One choice is complete. With the last of them comes the `total`. */
  choiceEnd(choice: number, finishReason: RunResult['finishReason'], total: ReplyTotal | null): void
  problem(problem: Problem): void
  /** The reader was given up: its connection must not look finished. */
  cut(): void
}

export type ReplyTotal = Omit<RunResult, 'finishReason'>

/** One sink for each of `count` choices. `giveUp` ends the runs that are still open, and hears why. */
export function joinRuns(count: number, writer: ReplyWriter, giveUp: (problem: Problem) => void): RunSink[] {
  const results: RunResult[] = []
  let isOver = false
  return Array.from({ length: count }, (_, choice) => ({
    onNode: (nodeId) => writer.node(nodeId),
    onText(text, detail) {
      if (!isOver) writer.piece(choice, text, detail)
    },
    onEmbedding: (vectors) => writer.embedding(vectors),
    onFinish(result) {
      if (isOver) return
      results.push(result)
      isOver = results.length === count
      writer.choiceEnd(choice, result.finishReason, isOver ? totalOf(results) : null)
    },
    onProblem(problem) {
      if (isOver) return
      isOver = true
      writer.problem(problem)
      if (count > 1) giveUp(problem)
    },
    onCut() {
      if (isOver) return
      isOver = true
      writer.cut()
    },
  }))
}

function totalOf(results: readonly RunResult[]): ReplyTotal {
  const last = results.at(-1) as RunResult
  if (results.length === 1) return last
  const sum = (read: (result: RunResult) => number): number =>
    results.reduce((total, result) => total + read(result), 0)
  const firsts = results.flatMap(({ firstTokenMs }) => (firstTokenMs === null ? [] : [firstTokenMs]))
  return {
    nodeId: last.nodeId,
    promptTokens: sum(({ promptTokens }) => promptTokens),
    cachedPromptTokens: results.every(({ cachedPromptTokens }) => cachedPromptTokens === undefined)
      ? undefined
      : sum(({ cachedPromptTokens = 0 }) => cachedPromptTokens),
    completionTokens: sum(({ completionTokens }) => completionTokens),
    continuations: sum(({ continuations }) => continuations),
    cost: results.reduce((total, { cost }) => total + cost, 0n),
    firstTokenMs: firsts.length > 0 ? Math.min(...firsts) : null,
    totalMs: Math.max(...results.map(({ totalMs }) => totalMs)),
  }
}
